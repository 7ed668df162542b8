/** What is known of the servers of volumes that are to be captured under one freeze, and what came of it. */
import type { CapturedBy } from './messages.js'

/** One volume of a capture under a freeze, with the names that its archive chose. */
export interface FreezeMember {
  volumeId: string
  /** For people. */
  name: string
  archiveId: string
  /** The archive workflow's id. */
  archive: string
  /** Absent: Cinder takes its snapshot. */
  capturedBy?: CapturedBy
  /** Written on a Cinder snapshot as its expiry. */
  maxAgeSeconds: number
}

/** A server that has one of the volumes attached. */
export interface FreezeServer {
  id: string
  name: string
  /** Nova's; only an ACTIVE one can be frozen. */
  status: string
  /** Nova's hypervisor hostname; null where it is not shown. */
  hypervisor: string | null
  /** Whether an agent serves the hypervisor now. */
  hasAgent: boolean
  /** Whether Nova's `createImage` would freeze it, or why it would not. */
  byNova: { isPossible: true } | { isPossible: false; reason: string }
  /** All volumes that are attached to it. */
  volumeIds: string[]
}

export interface FreezePlan {
  /** Of all volumes asked about, each once. */
  servers: FreezeServer[]
  /** As `serversOf` tells it: `none` is no server, and `servers` has only those that Nova knows. */
  attached: { volumeId: string; serverIds: string[] }[]
  /** How long an agent may keep a guest frozen; seconds. */
  limitSeconds: number
}

/** What came of it, for one volume. */
export interface FrozenSnapshot {
  volumeId: string
  /** Cinder's id, or the RBD snapshot's name, of what was taken while every server of the volume was frozen. */
  snapshotId: string
  /** ISO 8601, just before it was asked for; absent where the snapshot itself tells. */
  at?: string
}

/** What came of snapshots that were asked for at the same time: one that fails takes nothing from the others. */
export interface SnapshotsTaken {
  taken: FrozenSnapshot[]
  /** Why the others failed, with a stable code each, for people. One may exist all the same. */
  failed: string[]
}

export interface FreezeResult {
  /** Only those that were taken while all was frozen, and stayed so. */
  frozen: FrozenSnapshot[]
  /** Nova made the snapshots: they are Cinder's, whatever was planned. */
  byNova: boolean
  /** Why not, or what else is to be known; with a stable code each, for people. */
  reasons: string[]
  /** The servers that had one of the volumes attached, before and after it: one may be there twice. */
  servers: Pick<FreezeServer, 'id' | 'volumeIds'>[]
}
