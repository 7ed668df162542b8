import type { Log } from '../log/log.js'
import type { Cinder } from '../openstack/cinder.js'
import type { Sources } from '../source/source.js'
import { cinderBackup } from './cinder-backup/cinder-backup.js'
import { realSleep, type Sleep } from './cinder-backup/setting.js'
import type { TargetsOptions } from './options.js'
import type { Target } from './target.js'

export interface TargetDependencies {
  cinder: Cinder
  sources: Sources
  /** The UUID of this Cinderkeep. */
  installation: string
  log: Log
  /** How to wait between two looks; for tests, which need not. */
  sleep?: Sleep
}

/** The configured targets by name. Touches nothing: what is wrong with one shows when it is used. */
export function openTargets(options: TargetsOptions, dependencies: TargetDependencies): Map<string, Target> {
  const { cinder, sources, installation, log, sleep = realSleep } = dependencies
  return new Map(
    Object.entries(options).map(([name, one]) => [
      name,
      cinderBackup({ name, options: one, cinder, sources, installation, log: log.child({ target: name }), sleep }),
    ]),
  )
}
