/** What every place for copies can do. One contract test suite runs over all kinds. */
import type { Writable } from 'node:stream'
import type { VolumePlace } from '../source/source.js'

export type Consistency = 'detached' | 'frozen' | 'crash'

export type CopyState = 'writing' | 'unverified' | 'verified' | 'suspect' | 'damaged' | 'removing'

/** Everything needed to create the volume again; part of the manifest. */
export interface VolumeRecord extends VolumePlace {
  name: string
  description: string | null
  sizeGib: number
  projectId: string
  userId: string | null
  type: string | null
  availabilityZone: string | null
  bootable: boolean
  multiattach: boolean
  encrypted: boolean
  encryptionKeyId: string | null
  metadata: Record<string, string>
  imageMetadata: Record<string, string>
  attachments: { serverId: string | null; device: string | null }[]
}

/** One point in time of one volume, held by a snapshot that an archive made (or adopted) and will release. */
export interface Capture {
  /** `<UTC time>-<first 8 hex of the archive id>`, the point's name. */
  point: string
  archiveId: string
  /** The archive workflow's id. */
  archive: string
  slot: string
  /** A group's id when several volumes were captured under one freeze. */
  group: string | null
  /** The volumes of that group, this one included. */
  members?: string[] | undefined
  volume: VolumeRecord
  /**
   * Who made the snapshot (design section 6): Cinder (also when this is absent), or we ourselves on the volume's RBD image.
   */
  maker?: 'cinder' | 'rbd' | undefined
  /**
   * Cinder's snapshot, or with the maker `rbd` the RBD snapshot's id, decimal; it tells one capture from another of the
   * same name (after a reset).
   */
  snapshotId: string
  /** `ck-<archive id>`; with the maker `rbd` `backup.<archive id>.snap.<unix seconds>`. */
  snapshotName: string
  /** ISO 8601, UTC. */
  capturedAt: string
  consistency: Consistency
  /** Who had the image open, where a source could tell (design section 6). */
  watchers: 'none' | 'unknown' | string[]
  sizeBytes: number
}

/** A capture stored on one target. Small: the whole of it travels through histories; the manifest lies on the target. */
export interface Copy {
  target: string
  kind: string
  point: string
  archiveId: string
  archive: string
  slot: string
  group: string | null
  /** The volumes of that group, this one included. */
  members?: string[] | undefined
  volumeId: string
  projectId: string
  /** Which snapshot it was made from: a copy is compared with no other capture than its own. */
  snapshotId: string
  capturedAt: string
  consistency: Consistency
  sizeBytes: number
  /** The target's own handle, e.g. `{backupId}`. */
  ref: Record<string, string>
  state: CopyState
  /** `sha256-4m:…` of the capture, once known. */
  rootHash: string | null
  /** How many bytes the root hash covers, where that is not `sizeBytes`: a managed image need not be of whole GiB. */
  hashedBytes?: number | undefined
  verifiedAt: string | null
  /** Bytes moved, and bytes it takes on the target, where known. */
  writtenBytes: number | null
  storedBytes: number | null
  basePoint: string | null
  /** Why it is in this state, when that is not plain; for people. */
  reason: string | null
  /** ISO 8601. When it was found that it may lack something; absent where it is not `suspect`, or that is not known. */
  suspectSince?: string | undefined
  /** Object maps told what was to be read, instead of the objects themselves (`sources[].wholeObject`). */
  wholeObject?: true | undefined
  /**
   * ISO 8601. Every block was read from the source at this capture or later; blocks that the source calls unchanged are
   * compared in turn (design section 7, inherited). Absent: all of it at its own capture.
   */
  sourceComparedSince?: string | undefined
}

/** A copy as `writeCopy` made it. */
export interface WrittenCopy extends Copy {
  /** Earlier copies of the volume that are known to lack something that the source did not name; told each time. */
  suspects?: Copy[] | undefined
}

/** The outcome of reading a copy back. */
export interface Verification {
  /** `suspect`: it could not be read back, but whether that is the copy's fault is not certain. */
  state: 'verified' | 'unverified' | 'suspect' | 'damaged'
  rootHash: string | null
  /** As in `Copy`; belongs into the mark. */
  hashedBytes?: number | undefined
  /** Why not verified; null when it is. */
  reason: string | null
  /** Bytes that were read on the copy's side. */
  readBytes: number
}

export interface Progress {
  /** What is being done now, for people: `restoring into a scratch volume`. */
  phase: string
  doneBytes?: number
  totalBytes?: number
  /** Added by the heartbeat to what an act reports: over the last half minute, and seconds to go at that rate. */
  bytesPerSecond?: number
  secondsLeft?: number
}

/** What an act is given beside its arguments. */
export interface CopyContext {
  /** Aborted on any cancellation: kill children, wait for their end, then throw. */
  signal: AbortSignal
  /** Tells progress; a heartbeat. Cheap, may be called often. */
  report: (progress: Progress) => void
  /**
   * To be awaited before the next piece is read, with the bytes of the last one: keeps to the configured bandwidth of the
   * mover and of the target. Absent: unlimited. Rejects with the signal's reason when that is aborted.
   */
  throttle?: ((bytes: number) => Promise<void>) | undefined
}

/** How a policy wants a copy written, beside what every target does. */
export interface WriteOptions {
  /**
   * cinder-backup with Ceph's driver only: an incremental backup of the volume itself, in use or not (design section 7).
   * The capture then has no snapshot (`snapshotId` is empty), and the copy names its own. Size limit and events are
   * the policy's business; a volume that was just created or detached is refused here as well.
   */
  force: boolean
}

/** Where `restoreCopy` writes; what was there is replaced. Each kind of target takes some of them. */
export type Destination =
  /** A volume of Cinder's, at least as large as the copy. */
  | { kind: 'volume'; volumeId: string }
  /** An RBD image, made when there is none; nobody may have it open. */
  | { kind: 'image'; conf: string; user: string; keyring?: string | undefined; pool: string; image: string }
  /** A file, sparse where the copy is zero. */
  | { kind: 'file'; path: string }
  /** Every byte in its order; ended when the copy is whole, destroyed when it is not. */
  | { kind: 'stream'; stream: Writable }

export interface Capacity {
  /** null where the target cannot tell. */
  freeBytes: number | null
  totalBytes: number | null
}

/** Whether there is room for one more copy, with everything that is needed on the way to it. */
export type Fit = { fits: true } | { fits: false; reason: string }

/**
 * Every function is idempotent under the capture's or copy's deterministic names, resumes after a kill at any moment,
 * and lists before it creates.
 */
export interface Target {
  name: string
  kind: string
  /** Where each act must run: `control` (REST only) or `move` (near the bytes: `move@<zone of the volume>`). */
  queues: { write: 'control' | 'move'; verify: 'control' | 'move' }
  /**
   * The zone of the movers that do everything else: they alone reach it. Absent: the control worker does, by REST calls.
   */
  zone?: string
  /**
   * `source`: it reads captures through `source/` alone, and so RBD snapshots as well. `cinder`: it needs a snapshot of
   * Cinder's. Absent: `cinder`.
   */
  reads?: 'source' | 'cinder'
  /**
   * Whether a copy of such a volume would fit now, its capture included. Asked before anything is made, so that no archive
   * is left half done for want of quota or space; only reads. Without it everything fits.
   * @param volume `host` is Cinder's `host@backend#pool`, where known
   */
  preflight?(
    volume: { sizeGib: number; host: string | null },
    context: CopyContext,
    options?: WriteOptions,
  ): Promise<Fit>
  /** @param base the copy to build upon, or null for a full one; a target may ignore it */
  writeCopy(capture: Capture, base: Copy | null, context: CopyContext, options?: WriteOptions): Promise<WrittenCopy>
  /**
   * Only reads the copy; what it found may be written down beside it.
   * @param capture while it still exists; without it the recorded root hash is compared
   */
  verifyCopy(copy: Copy, capture: Capture | null, context: CopyContext): Promise<Verification>
  /** Writes state, root hash, reason and time on the target itself, so that a rebuild finds them. */
  markCopy(
    copy: Copy,
    mark: Pick<Copy, 'state' | 'rootHash' | 'hashedBytes' | 'verifiedAt' | 'reason'>,
    context: CopyContext,
  ): Promise<Copy>
  restoreCopy(copy: Copy, destination: Destination, context: CopyContext): Promise<void>
  removeCopy(copy: Copy, context: CopyContext): Promise<void>
  /** Copies of this installation with a readable manifest, of one volume or of all. */
  listCopies(volumeId: string | null, context: CopyContext): Promise<Copy[]>
  /** Removes what an archive made beside finished copies: temporary and scratch volumes, partial copies. */
  removeTemporaries(archive: { archiveId: string; volumeId: string }, context: CopyContext): Promise<void>
  capacity(): Promise<Capacity>
}
