/** Where a volume's bytes come from: RBD images, or files and block devices. Reads only. */
import type { RbdAccess } from './rbd-access.js'
import type { RbdObject } from './rbd-command.js'

/** Where Cinder says that a volume lies. */
export interface VolumePlace {
  volumeId: string
  /** `host@backend#pool`, matched against `sources[].match`. */
  host: string | null
  /** Where the backend's object is named by another id than the volume's (`_name_id`, after a migration). */
  nameId: string | null
}

/** One RBD snapshot for good: a later one of the same name has another id. */
export interface RbdSnapshotRef {
  name: string
  id: number
}

/** Which bytes: the volume itself, a Cinder snapshot of it, or an RBD snapshot of its image. */
export interface BytesRef extends VolumePlace {
  /** Cinder's snapshot id, or null for the volume as it is now. */
  snapshotId: string | null
  /** An RBD snapshot that we made; `snapshotId` is null then. `open` refuses one of this name with another id. */
  rbdSnapshot?: RbdSnapshotRef | undefined
}

/** A run of bytes that may hold data; whatever no extent covers is zero. */
export interface Extent {
  offset: number
  length: number
}

/** Some bytes of a volume, in ascending order, never overlapping. */
export interface DataRun {
  offset: number
  data: Uint8Array
}

/** Bytes that are zero. `'zero' in run` tells it from a `DataRun`. */
export interface ZeroRun {
  offset: number
  length: number
  zero: true
}

export interface SinceOptions {
  /**
   * Asks the object map which objects exist or changed, each of them whole: seconds instead of minutes for many TiB, and
   * wrong where the map is (docs/decisions/0013). Sources of files overlook it. Default: false, a plain diff, about 12 s
   * for each TiB of the image's size.
   */
  wholeObject?: boolean | undefined
}

/**
 * One opened volume or snapshot. Not for writing. Whatever reads ends its programs before it throws or is left, and
 * throws the signal's reason when that is aborted.
 */
export interface OpenBytes {
  sizeBytes: number
  /** What makes this very snapshot recognisable (the RBD snapshot id, an inode); compared by `confirm`. */
  identity: string
  extents(signal?: AbortSignal): Promise<Extent[]>
  /**
   * Reads everything that may hold data, once, with memory bounded by a few runs of at most 4 MiB. Whatever is skipped
   * is zero.
   */
  read(signal?: AbortSignal, options?: SinceOptions): AsyncIterable<DataRun>
  /**
   * What differs from an earlier RBD snapshot of the same image, in ascending order; whatever is skipped is as in the
   * base, or zero where the base was smaller. A run may also hold what did not change. Absent where a source knows no
   * differences: then everything is read.
   * From the call on, `confirm` looks at the base as well.
   * @throws CodedError `CK-SOURCE-BASE-LOST` when the base does not exist with this id
   */
  readSince?(base: RbdSnapshotRef, signal?: AbortSignal, options?: SinceOptions): AsyncIterable<DataRun | ZeroRun>
  /**
   * To be called after the last byte: what was read is one point in time only if the snapshot still exists, and a
   * difference is right only if its base does.
   * @throws CodedError `CK-CAPTURE-LOST` when it was deleted or replaced meanwhile ("torn", design section 7),
   * `CK-SOURCE-BASE-LOST` when a base was
   */
  confirm(): Promise<void>
}

/** An RBD image, or one of its RBD snapshots, and how it is reached. */
export interface RbdPlace {
  access: RbdAccess
  object: RbdObject
  /** Of the RBD snapshot, where it is known. */
  id?: number | undefined
  /** Images of at least so many bytes are asked by their object maps. */
  wholeObjectFrom: number
}

export interface Source {
  /** Which movers reach it: task queue `move@<zone>`. */
  zone: string
  kind: 'rbd' | 'file'
  /** @throws CodedError `CK-CAPTURE-LOST` when the snapshot does not exist, `CK-SOURCE-…` otherwise */
  open(ref: BytesRef): Promise<OpenBytes>
  /** Clients that have the volume open for writing (RBD watchers), or `unknown` where this cannot be told. */
  watchers(place: VolumePlace): Promise<string[] | 'unknown'>
  /** Where the image lies that is the volume, for who reads it by librbd; absent where volumes are no images. */
  locate?(ref: BytesRef): RbdPlace
}

/** The configured sources; the first whose `match` fits a volume's host serves it. */
export interface Sources {
  /** All zones in which storage can be read. */
  zones: string[]
  find(host: string | null): Source | undefined
}

/** Hash of a whole volume: `sha256-4m:<hex>` (design section 7). */
export interface HashedBytes {
  rootHash: string
  sizeBytes: number
  /** Bytes that were read, zeros that were skipped not counted. */
  readBytes: number
}
