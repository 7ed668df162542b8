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
}

/** A policy as configured, defaults filled in; `policy/options.ts` parses it. */
export interface Policy {
  name: string
  protect: 'volumes'
  where: Where
  /** Event types that ask for an archive, e.g. `volume.create.end`. */
  on: string[]
  settleSeconds: number
  consistency: { prefer: Consistency[]; require: Consistency }
  copies: PolicyCopy[]
}

export interface PolicyCopy {
  target: string
  /** cinder-backup only: `force` incremental on the volume itself (design section 7); null: a full, consistent copy. */
  force: { maxSizeGib: number; window: string | null } | null
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
  size?: { atLeastGib?: number; atMostGib?: number }
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

/** What the pure `assess` looks at. */
export interface AssessInput {
  volume: VolumeFacts
  policies: Policy[]
  installation: string
  /** The cloud's internal project (image cache, …), where known. */
  internalProjectId: string | null
  /** Event types of the burst; ignored when `manual`. */
  events: string[]
  manual: boolean
  /** Only these targets; null: all of the policy. With `manual` and no policy they are archived to all the same. */
  targets: string[] | null
}

/** Says what is due for one volume, and why. */
export interface Decision {
  /** `wait`: its status allows no capture now (`creating`, `backing-up`, …). */
  kind: 'archive' | 'wait' | 'none'
  reasons: string[]
  policy: string | null
  /** Names of policies before it that may protect the volume; unless there are none, nothing is decided. */
  undecided: string[]
  settleSeconds: number
  consistency: { prefer: Consistency[]; require: Consistency }
  /** `force` already decided by size, window and events (never on create or detach). */
  copies: { target: string; force: boolean }[]
}
