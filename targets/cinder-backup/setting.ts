import { setTimeout as delay } from 'node:timers/promises'
import { CodedError } from '../../errors/coded-error.js'
import type { Log } from '../../log/log.js'
import type { Cinder } from '../../openstack/cinder.js'
import type { Sources } from '../../source/source.js'
import type { CinderBackupOptions } from '../options.js'
import type { Patience } from './abandoned.js'

/** Waits; rejects when the signal is aborted. */
export type Sleep = (ms: number, signal: AbortSignal) => Promise<void>

/** What every act of one `cinder-backup` target works with. */
export interface Setting {
  /** The target's name in the configuration; part of every name that it gives. */
  name: string
  options: CinderBackupOptions
  cinder: Cinder
  sources: Sources
  /** The UUID of this Cinderkeep: what does not carry it is not ours. */
  installation: string
  log: Log
  sleep: Sleep
  /** Milliseconds since 1970. */
  now: () => number
  patience: Patience
}

export const realSleep: Sleep = async (ms, signal) => {
  await delay(ms, undefined, { signal })
}

export function hasCode(error: unknown, code: CodedError['code']): boolean {
  return error instanceof CodedError && error.code === code
}
