/** Ids, queues, signals, updates, queries and the plain data that travel between workflows and everyone else. */
import { defineQuery, defineSignal, defineUpdate } from '@temporalio/workflow'
import type { VolumePlace } from '../source/source.js'
import type { Capture, Consistency, Copy, Verification } from '../targets/target.js'
import type { VolumeState } from './volume-memory.js'

export const controlQueue = 'control'
/** The movers that reach the same storage share a queue. */
export const moveQueue = (zone: string): string => `move@${zone}`

/** Names of the workflow types, for those who start them without importing workflow code. */
export const workflowTypes = {
  watchVolume: 'watchVolume',
  archiveVolume: 'archiveVolume',
  verifyPoint: 'verifyPoint',
  runPolicy: 'runPolicy',
  reconcile: 'reconcile',
  permits: 'permits',
  captureServer: 'captureServer',
} as const

export const volumeWorkflowId = (volumeId: string): string => `volume/${volumeId}`
export const archiveWorkflowId = (volumeId: string, slot: string, attempt: number): string =>
  `archive/${volumeId}/${slot}/${attempt}`
/** What the ids of all archives of a volume begin with. */
export const archiveWorkflowPrefix = (volumeId: string): string => `archive/${volumeId}/`
/** What asked for an archive when a person did; `id` is a UUID. */
export const manualSlotPrefix = 'manual:'
export const manualSlot = (id: string): string => `${manualSlotPrefix}${id}`
/** What asked for an archive when a policy's schedule did; `at` is the nominal time, ISO 8601 in UTC. */
export const scheduleSlot = (policy: string, at: string): string => `policy:${policy}@${at}`
export const eventSlot = ({ event, messageId, nominal }: Hint): string =>
  nominal === undefined ? `event:${event}:${messageId}` : scheduleSlot(nominal.policy, nominal.at)
/** A policy's schedule and its workflows; the server appends `-<nominal time>` to those. */
export const policyWorkflowId = (name: string): string => `policy/${name}`
/** The schedule that looks for what notifications missed; it also carries the policies that are applied. */
export const reconcileWorkflowId = 'reconcile'
export const permitsWorkflowId = 'permits/all'
export const verifyWorkflowId = (volumeId: string, point: string, id: string): string =>
  `verify/${volumeId}/${point}/${id}`

// --- watch-volume -----------------------------------------------------------------------------------------------

/** A notification that something happened to the volume: never truth, only a reason to look. */
export interface Hint {
  /** oslo's `message_id`; a second hint of the same id has no effect. */
  messageId: string
  /** `volume.detach.end`, …; `scheduleEvent` and `reconcileEvent` are our own. */
  event: string
  /** With `scheduleEvent`: whose nominal time it is, ISO 8601 in UTC. */
  nominal?: { policy: string; at: string }
}
/** A policy's `every` says that an archive is due. */
export const scheduleEvent = 'policy.due'
/** `reconcile` found a reason to look that no notification gave. */
export const reconcileEvent = 'reconcile'
/** Another volume of its server is about to be captured; the message id is the group's. */
export const groupEvent = 'server.capture'

/** Hints for one volume; a burst that the listener holds at once is one signal. */
export const hintSignal = defineSignal<[Hint[]]>('hint')

export interface LaneFreed {
  archive: string
  target: string
}
/** An archive wrote its copy to a target and no longer needs the lane (it may still be reading the copy back). */
export const laneFreedSignal = defineSignal<[LaneFreed]>('laneFreed')

/** The copies of an archive that cannot end yet, because its snapshot cannot be removed. */
export const copiedSignal = defineSignal<[Copy[]]>('copied')

export interface ArchiveNow {
  /** A UUID chosen by the caller: asking twice is asking once. */
  id: string
  /** null: all targets of the volume's policy. */
  targets: string[] | null
}

/** Accepts at once; the archive runs under the returned id as soon as its lanes are free. */
export const archiveNowUpdate = defineUpdate<{ archive: string }, [ArchiveNow]>('archiveNow')

/** What became of a request of `archiveNow`, by its id. */
export interface RequestState {
  state: 'waiting' | 'started' | 'refused' | 'unknown'
  /** Why it waits or was refused; for people. */
  reasons: string[]
}
export const requestQuery = defineQuery<RequestState, [string]>('request')

export interface VerifyNow {
  /** A UUID chosen by the caller: asking twice is asking once. */
  id: string
  point: string
  /** null: every target that has a copy of it. */
  targets: string[] | null
  /** Set by an archive that had no room to read its copy back: it is read when there is. */
  patient?: boolean
}
/** Accepts at once; the copies are read back under the returned id, beside whatever else is done. */
export const verifyNowUpdate = defineUpdate<{ verification: string }, [VerifyNow]>('verifyNow')
/** A verification ends so that proves no copy, or not all; details: [VerifyOutcome]. */
export const verifyFailedType = 'CK-VERIFY-FAILED'
/** What became of one copy. */
export interface VerifiedCopy {
  target: string
  /** As it is marked now. */
  copy: Copy
  /** What this reading found; null while it goes on, or when it failed. */
  found: Verification['state'] | null
  /** Why it is not verified; null when it is. */
  reason: string | null
  /** What is wrong with the copy, or with reading it; null when nothing is known to be. */
  failure: { code: string; message: string } | null
}

export interface VerifyOutcome {
  volumeId: string
  point: string
  copies: VerifiedCopy[]
}

/** Something was found out about a copy, and written on its target. */
export const copyChangedSignal = defineSignal<[Copy]>('copyChanged')

/** A capture with its copies. */
export interface RecoveryPoint {
  point: string
  volumeId: string
  projectId: string
  archiveId: string
  archive: string
  slot: string
  group: string | null
  capturedAt: string
  consistency: Consistency
  sizeBytes: number
  rootHash: string | null
  copies: Copy[]
}
/** Newest first. */
export const pointsQuery = defineQuery<RecoveryPoint[]>('points')

export type Protection = 'protected' | 'overdue' | 'failing' | 'rebuilding' | 'source-gone'

/** What `describe`-like callers see of a volume's workflow without its points. */
export interface VolumeStatus extends Omit<VolumeState, 'points'> {
  volumeId: string
  protection: Protection | null
  points: number
  verifiedAt: string | null
  /** Since when `reconcile` asks whether anything was missed; see `lastTaken`. */
  last: AssessRequest['last']
}
export const statusQuery = defineQuery<VolumeStatus>('status')

// --- assess -----------------------------------------------------------------------------------------------------

export interface AssessRequest {
  volumeId: string
  slot: string
  attempt: number
  /** Event types of the burst; empty when a person asked. */
  events: string[]
  /** A person asked: `on` is not looked at. */
  manual: boolean
  /** Only these targets (a retry, a lane that was busy, a person's choice); null: all of the policy. */
  targets: string[] | null
  /** The newest point that is not damaged; `reconcileEvent` asks whether anything was missed since. */
  last: { capturedAt: string; consistency: Consistency } | null
  /** The policy that protected it at the last verdict. */
  lastPolicy?: string | null
}

/** One target of an archive and where its acts run. */
export interface TargetPlan {
  target: string
  kind: string
  writeQueue: string
  verifyQueue: string
  /** Of the movers that mark its copies and clear away what is temporary; absent: the control worker does. */
  nearQueue?: string
  /** cinder-backup only: a `force` incremental on the volume itself. */
  force: boolean
}

/** How patient an archive is; seconds. From the configuration, so that tests and demo need not wait. */
export interface Pace {
  heartbeatSeconds: number
  firstRetrySeconds: number
  /** The capture is released then, whatever is unfinished. */
  captureMaxAgeSeconds: number
  /** A request whose answer was lost may still be carried out this much later; absent: of an older version, 120. */
  unclearSeconds?: number
}

/** The capture is an RBD snapshot of our own on the volume's image: near the storage, under a name that is known beforehand. */
export interface CapturedBy {
  maker: 'rbd'
  /** Where it is taken and released: `move@<zone>`. */
  queue: string
  /** Unix seconds, the last part of its name. */
  seconds: number
  /** Where Cinder had the volume then: a volume that was deleted since is looked for there. */
  place: VolumePlace
}

/** The small verdict of `assess`, with reasons for people. */
export interface Verdict {
  /** `archive`: do it. `wait`: cannot be captured now. `none`: nothing to do. `gone`: Cinder knows no such volume. */
  kind: 'archive' | 'wait' | 'none' | 'gone'
  reasons: string[]
  /** As Cinder shows it now; null when it is gone. */
  volume: { id: string; name: string; projectId: string; projectName: string | null } | null
  /** The policy that protects it, whatever the verdict. */
  policy: string | null
  /** SHA-256 of the policies the verdict was made from, hex. */
  policyHash: string
  settleSeconds: number
  rpoSeconds: number | null
  /** The next nominal time of the policy's schedule, ISO 8601. */
  nextAt: string | null
  /** With `wait`: not before then, ISO 8601 (a window that is closed); null: soon. */
  waitUntil: string | null
  /** Only with `archive`. */
  plan: ArchivePlan | null
}

export interface ArchivePlan {
  /** uuid5(installation, `<volume>/<slot>/<try>`): the seed of every name that the archive will use. */
  archiveId: string
  consistency: { prefer: Consistency[]; require: Consistency }
  targets: TargetPlan[]
  pace: Pace
  /** What it must be permitted to use before it captures; empty: nobody is asked. */
  permits: PermitWanted[]
  /** Where Cinder has the volume, `host@backend#pool`, for a brake on its backend; missing: nowhere yet. */
  backend?: string
  /** Only when all targets read through `source/`, and a source reaches the RBD image; absent: Cinder takes a snapshot. */
  capturedBy?: CapturedBy
  /** With whose other volumes it is captured, under one freeze; absent: by itself. */
  server?: CaptureServer
}

export interface CaptureServer {
  id: string
  name: string | null
  /** Whether those others are told; not when it was told itself, or is tried again. */
  calls: boolean
}

/** `backend:<host@backend>`, `target:<name>`, `policy:<name>` or `all`. */
export interface PermitWanted {
  scope: string
  /** How many archives may use it at once; null: any number, but it can be paused. */
  limit: number | null
}

export const everything = 'all'
export const targetScope = (target: string): string => `target:${target}`
/** @param host Cinder's `host@backend`, or `host@backend#pool`: the pool does not count */
export const backendScope = (host: string): string => `backend:${host.split('#')[0] ?? ''}`
export const policyScope = (policy: string): string => `policy:${policy}`

// --- archive-volume ---------------------------------------------------------------------------------------------

export interface ArchiveRequest extends ArchivePlan {
  volume: { id: string; name: string; projectId: string; projectName: string | null }
  policy: string | null
  policyHash: string
  slot: string
  attempt: number
  /** A finished capture handed over by a group; null: take one. */
  capture: Capture | null
  group: string | null
  /** No target of it holds a point of the volume yet: a first copy, which is large. */
  first: boolean
  /** Who is told when a lane is free: a workflow id, or null. */
  entity: string | null
  /** What the column `phase` says at its start; missing: an archive of a version that did not know it. */
  phase?: 'waiting' | 'capturing'
}

/** What became of one target in one archive. */
export interface TargetOutcome {
  target: string
  /** null when not even a partial copy exists. */
  copy: Copy | null
  /** Why there is no good copy; null when there is. */
  failure: { code: string; message: string } | null
}

export interface ArchiveOutcome {
  archive: string
  archiveId: string
  slot: string
  /** null when nothing could be captured. */
  capture: Capture | null
  targets: TargetOutcome[]
  /** Why its servers were not frozen, or what else became of that; sentences for people. Absent: it was not tried. */
  freezing?: string[]
}

/** Codes of what was put off for want of quota or space: nothing is wrong, and it is tried again by itself. */
const deferralCodes = ['CK-DEFERRED', 'CK-CLOUD-QUOTA']

export function isDeferral({ failure }: Pick<TargetOutcome, 'failure'>): boolean {
  return deferralCodes.includes(failure?.code ?? '')
}

/** The type of the ApplicationFailure with which an archive ends that has no good copy on some target; details: [ArchiveOutcome]. */
export const archiveFailedType = 'CK-ARCHIVE-FAILED'

export const outcomeQuery = defineQuery<ArchiveOutcome>('outcome')
