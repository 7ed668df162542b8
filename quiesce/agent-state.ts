import type { Log } from '../log/log.js'
import type { Frozen } from '../workflows/quiesce-messages.js'
import type { Virsh } from './ask-virsh.js'
import type { End, Entry } from './ledger.js'

export interface AgentOptions {
  /** Where the ledger lies. */
  dir: string
  /** The agent's own longest freeze, whatever it is asked for. */
  limitSeconds: number
  virsh: Virsh
  log: Log
}

/** What one agent knows while it lives; everything that must outlive it is in the ledger. */
export interface AgentState extends AgentOptions {
  /** By token. */
  held: Map<string, Held>
  /** Nothing is frozen any more. */
  ending: boolean
}

/** A freeze from the moment it is asked for until its end is decided. */
export interface Held {
  server: string
  token: string
  /** The workflow's, that asked for it. */
  run: string
  /** Aborted: whoever is freezing gives up. */
  givenUp: AbortController
  /** Settles when the freezing has ended, either way. */
  settled: Promise<void>
  /** Null until it is in the ledger. */
  entry: Entry | null
  /** Lets the watchdog go; nothing before there is one. */
  release: () => void
  /** When `virsh` was started, monotonic; null before. */
  startedMs: number | null
  /** Null until the guest is frozen. */
  frozen: Frozen | null
  /** One thaw at a time. */
  thawing: Promise<End> | null
}
