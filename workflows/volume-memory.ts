/** What a volume's workflow carries from run to run, as plain data; `volume-state.ts` has the rules. */
import type { CapturedBy, RecoveryPoint, VerifyNow } from './messages.js'

/** An archive that a volume's workflow started and has not yet seen the end of. */
export interface RunningArchive {
  archive: string
  archiveId: string
  slot: string
  /** Which archive of the slot it is, from 1: the end of its id. */
  attempt: number
  events: string[]
  targets: string[]
  /** How many tries for this slot failed before it. */
  failures: number
  /** How many were put off before it, for want of quota or space: nothing was wrong. */
  deferrals: number
  /** Milliseconds since the epoch; absent: an older version began it. */
  startedAt?: number
  /** After this time without a sign of life an attempt of its acts has noticed that it was given up. */
  heartbeatSeconds: number
  /** Who takes and releases its capture; absent: Cinder, by the control worker. */
  capturedBy?: CapturedBy
  /** The policy that protected the volume when it was asked for; absent: an older version noted it. */
  lastPolicy?: string | null
  /** Nova may have made an image for it, where no agent froze its server. */
  mayFreeze?: true
}

/** One more archive that a target should get: its lane was busy, or the last try failed. */
export interface Want {
  slot: string
  events: string[]
  /** Milliseconds since the epoch; not before then. */
  at: number
  /** For people: why it is wanted. */
  reason: string
  /** How many tries failed; 0 when its lane was only busy. */
  failures: number
  /** How many tries were put off, for want of quota or space. */
  deferrals: number
  /** The policy that protected the volume when it was asked for; absent: an older version noted it. */
  lastPolicy?: string | null
}

/** Hints that wait for the end of the settle time, or to be looked at for the first time. */
export interface Burst {
  slot: string
  events: string[]
  /** Milliseconds since the epoch of the first hint. */
  firstAt: number
  /** When to look (again); equal to `firstAt` until the policy's settle time is known. */
  dueAt: number
  /** How often looking failed (Cinder did not answer, …). */
  failures: number
  /** It waits for its policy's window to open. */
  waitsForWindow: boolean
  /** The policy that protected the volume when it was asked for; absent: an older version noted it. */
  lastPolicy?: string | null
}

/** What a volume's workflow carries from run to run. A run that starts without it rebuilds first. */
export interface VolumeState {
  /** Of what this and the later runs make use; absent: an older version began them. */
  assessedBy?: 'activity'
  name: string | null
  project: string | null
  policy: string | null
  /** Newest first; at most 128 KiB of them. */
  points: RecoveryPoint[]
  /** Older points exist that only the targets know. */
  trimmed: boolean
  /** The last message ids, newest last. */
  seen: string[]
  burst: Burst | null
  /** Targets whose lanes are held, by which archive. */
  running: Record<string, string>
  archives: RunningArchive[]
  wants: Record<string, Want>
  /** The last try of each slot that is still wanted or running: no two archives share an id. */
  tries: Record<string, number>
  asked: { slot: string; targets: string[] | null }[]
  refused: { slot: string; reasons: string[] }[]
  /** Points that a person wants read back and that were not yet begun with. */
  verifications: VerifyNow[]
  /** A copy that was read back long after its archive and is not as it was written. */
  foundBad: { point: string; target: string; at: string } | null
  /** Targets that have not yet said which copies they hold; null: none was asked, not even for their names. */
  rebuilding: string[] | null
  /** Why targets of `rebuilding` do not answer, where that is known; for people. */
  silent: Record<string, string>
  /** Archives that were terminated: what they left, or had asked for just before, is still to be looked for. */
  leftovers: RunningArchive[]
  sourceGone: boolean
  /** Of the policy, at the last verdict. */
  rpoSeconds: number | null
  /** The next nominal time of the policy's schedule at the last verdict, ISO 8601. */
  nextAt: string | null
  /** Since when a policy protects it, ISO 8601: a volume without any verified point is overdue from then on. */
  protectedSince: string | null
  /** The newest nominal time that each policy's schedule told: older ones are refused. */
  lastNominal: Record<string, string>
  /** When a person cancelled an archive last, ISO 8601: what was due by then is not asked for again by `reconcile`. */
  cancelledAt: string | null
  /** The last verdict in words; for people. */
  lastReasons: string[]
}
