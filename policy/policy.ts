/** What policies decide, as plain data. Pure: no I/O, no clock of its own. */
import type { Consistency } from '../targets/target.js'

/** What selection looks at; filled from Cinder's volume by whoever asks. */
export interface VolumeFacts {
  id: string
  name: string
  projectId: string
  /** The project's name where it is known. */
  projectName: string | null
  type: string | null
  sizeGib: number
  status: string
  metadata: Record<string, string>
  migrationStatus: string | null
  /** ISO 8601 in UTC. */
  createdAt: string
  /** When Cinder last changed anything of it, ISO 8601 in UTC. */
  updatedAt: string | null
  /** The servers that have it attached; a name where Nova told it. */
  servers: { id: string; name: string | null }[]
}

/** A daily time in which archives may begin, in the policy's time zone; it may pass midnight. Minutes of the day. */
export interface Window {
  from: number
  to: number
}

/** A policy as configured, defaults filled in; `policy/options.ts` parses it. */
export interface Policy {
  name: string
  /** `servers`: all volumes of a server that it protects are captured together, under one freeze. */
  protect: 'volumes' | 'servers'
  where: Where
  /** Event types that ask for an archive, e.g. `volume.create.end`. */
  on: string[]
  settleSeconds: number
  consistency: { prefer: Consistency[]; require: Consistency }
  copies: PolicyCopy[]
  /** When archives are due besides events: five fields of cron; null: at no time. */
  every: string | null
  /** IANA name; for `every` and `window`. */
  timezone: string
  /** null: at any time. Archives that a person asks for do not wait for it. */
  window: Window | null
  /** At most so many archives of the policy at once; null: no limit. */
  permits: number | null
  /** A volume whose last verified point is older is overdue; null: never. */
  rpoSeconds: number | null
}

export interface PolicyCopy {
  target: string
  /** cinder-backup only: `force` incremental on the volume itself (design section 7); null: a full, consistent copy. */
  force: { maxSizeGib: number; window: Window | null } | null
}

export interface Where extends Condition {
  exclude?: Condition
}

/** All given parts must hold; a list holds when one of its entries does. Patterns: `*` and `?`. */
export interface Condition {
  project?: string[]
  metadata?: Record<string, string>
  type?: string[]
  name?: string[]
  /** Ids or name patterns of servers; a volume that none of them has attached does not match. */
  server?: string[]
  size?: { atLeastGib?: number; atMostGib?: number }
}

/** The policies that a namespace's control workers go by: those of the file that was applied last. */
export interface AppliedPolicies {
  /** SHA-256 of the policies, hex. */
  policyHash: string
  /** In file order. */
  policies: Policy[]
  /** ISO 8601. */
  appliedAt: string
}

/** Which policy protects a volume, and why; the first match in file order. */
export interface Selection {
  policy: Policy | null
  /** Set when nothing may ever protect it: our own scratch volume, the cloud's internal one, a migration's target. */
  neverBecause: string | null
  /** For people, one sentence each: why this one, which ones it shadows, why the others did not match. */
  reasons: string[]
  /** Names of later policies that would have matched too. */
  shadows: string[]
  /** Names of earlier policies that may protect it: they name projects, and the name of the volume's is not known. */
  undecided: string[]
}

/** A volume's newest point, as far as it tells whether something was missed since. */
export interface LastPoint {
  capturedAt: string
  consistency: Consistency
}

/** What the pure `assess` looks at. */
export interface AssessInput {
  volume: VolumeFacts
  policies: Policy[]
  installation: string
  /** The cloud's internal project (image cache, …), where known. */
  internalProjectId: string | null
  /** Event types of the burst that a cloud's notification told; ignored when `manual`. */
  events: string[]
  /** The name of the policy that protected it when it was looked at last; null: none did, or it is not known. */
  lastPolicy: string | null
  /** The policy's schedule asks. */
  scheduled: boolean
  /** Another volume of its server is about to be captured. */
  grouped: boolean
  /** `reconcile` asks whether anything was missed since `last`. */
  reconciled: boolean
  manual: boolean
  /** The newest point that is not damaged. */
  last: LastPoint | null
  /** Milliseconds since the epoch. */
  now: number
  /** Only these targets; null: all of the policy. With `manual` and no policy they are archived to all the same. */
  targets: string[] | null
}

/** Says what is due for one volume, and why. */
export interface Decision {
  /** `wait`: its status allows no capture now (`creating`, `backing-up`, …), or the policy's window is closed. */
  kind: 'archive' | 'wait' | 'none'
  reasons: string[]
  policy: string | null
  /** Names of policies before it that may protect the volume; unless there are none, nothing is decided. */
  undecided: string[]
  /** Only notifications come in bursts: 0 when none is among what asked. */
  settleSeconds: number
  rpoSeconds: number | null
  /** The next nominal time of the policy's schedule, ISO 8601. */
  nextAt: string | null
  /** With `wait`: when the window opens, ISO 8601; null: soon. */
  waitUntil: string | null
  consistency: { prefer: Consistency[]; require: Consistency }
  /** The server with whose other volumes it is captured, under one freeze; null: by itself. */
  server: { id: string; name: string | null } | null
  /** `force` already decided by size, window and events (never on create or detach). */
  copies: { target: string; force: boolean }[]
}
