/** Ids, queues, signals, updates, queries and the plain data that travel between workflows and everyone else. */
import { defineQuery, defineSignal, defineUpdate } from '@temporalio/workflow'
import type { Capture, Consistency, Copy } from '../targets/target.js'

export const controlQueue = 'control'
/** The movers that reach the same storage share a queue. */
export const moveQueue = (zone: string): string => `move@${zone}`

/** Names of the workflow types, for those who start them without importing workflow code. */
export const workflowTypes = { watchVolume: 'watchVolume', archiveVolume: 'archiveVolume' } as const

export const volumeWorkflowId = (volumeId: string): string => `volume/${volumeId}`
export const archiveWorkflowId = (volumeId: string, slot: string, attempt: number): string =>
  `archive/${volumeId}/${slot}/${attempt}`
/** What the ids of all archives of a volume begin with. */
export const archiveWorkflowPrefix = (volumeId: string): string => `archive/${volumeId}/`
/** What asked for an archive when a person did; `id` is a UUID. */
export const manualSlot = (id: string): string => `manual:${id}`
export const eventSlot = (hint: Hint): string => `event:${hint.event}:${hint.messageId}`

// --- watch-volume -----------------------------------------------------------------------------------------------

/** A notification that something happened to the volume: never truth, only a reason to look. */
export interface Hint {
  /** oslo's `message_id`; a second hint of the same id has no effect. */
  messageId: string
  /** `volume.detach.end`, … */
  event: string
}

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
  /** After this time without a sign of life an attempt of its acts has noticed that it was given up. */
  heartbeatSeconds: number
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
}

/** What a volume's workflow carries from run to run. A run that starts without it rebuilds first. */
export interface VolumeState {
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
  /** Targets that have not yet said which copies they hold; null: none was asked, not even for their names. */
  rebuilding: string[] | null
  /** Archives that were terminated: what they left, or had asked for just before, is still to be looked for. */
  leftovers: RunningArchive[]
  sourceGone: boolean
  /** The last verdict in words; for people. */
  lastReasons: string[]
}

/** What `describe`-like callers see of a volume's workflow without its points. */
export interface VolumeStatus extends Omit<VolumeState, 'points'> {
  volumeId: string
  protection: Protection | null
  points: number
  verifiedAt: string | null
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
}

/** One target of an archive and where its acts run. */
export interface TargetPlan {
  target: string
  kind: string
  writeQueue: string
  verifyQueue: string
  /** cinder-backup only: a `force` incremental on the volume itself. */
  force: boolean
}

/** How patient an archive is; seconds. From the configuration, so that tests and demo need not wait. */
export interface Pace {
  heartbeatSeconds: number
  firstRetrySeconds: number
  /** The capture is released then, whatever is unfinished. */
  captureMaxAgeSeconds: number
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
  /** Only with `archive`. */
  plan: ArchivePlan | null
}

export interface ArchivePlan {
  /** uuid5(installation, `<volume>/<slot>/<try>`): the seed of every name that the archive will use. */
  archiveId: string
  consistency: { prefer: Consistency[]; require: Consistency }
  targets: TargetPlan[]
  pace: Pace
}

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
  /** Who is told when a lane is free: a workflow id, or null. */
  entity: string | null
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
}

/** The type of the ApplicationFailure with which an archive ends that has no good copy on some target; details: [ArchiveOutcome]. */
export const archiveFailedType = 'CK-ARCHIVE-FAILED'

export const outcomeQuery = defineQuery<ArchiveOutcome>('outcome')
