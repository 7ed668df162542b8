/** Where a volume's bytes come from: RBD images, or files and block devices. Reads only. */

/** Where Cinder says that a volume lies. */
export interface VolumePlace {
  volumeId: string
  /** `host@backend#pool`, matched against `sources[].match`. */
  host: string | null
  /** Where the backend's object is named by another id than the volume's (`_name_id`, after a migration). */
  nameId: string | null
}

/** Which bytes: the volume itself, or a Cinder snapshot of it. */
export interface BytesRef extends VolumePlace {
  /** Cinder's snapshot id, or null for the volume as it is now. */
  snapshotId: string | null
}

/** A run of bytes that may hold data; whatever no extent covers is zero. */
export interface Extent {
  offset: number
  length: number
}

/** Some bytes of a volume, in ascending order, never overlapping. Whatever is skipped is zero. */
export interface DataRun {
  offset: number
  data: Uint8Array
}

/** One opened volume or snapshot. Not for writing. */
export interface OpenBytes {
  sizeBytes: number
  /** What makes this very snapshot recognisable (the RBD snapshot id, an inode); compared by `confirm`. */
  identity: string
  extents(signal?: AbortSignal): Promise<Extent[]>
  /** Reads everything that may hold data, once, with memory bounded by a few runs of at most 4 MiB. */
  read(signal?: AbortSignal): AsyncIterable<DataRun>
  /**
   * To be called after the last byte: what was read is one point in time only if the snapshot still exists.
   * @throws CodedError `CK-CAPTURE-LOST` when it was deleted or replaced meanwhile ("torn", design section 7)
   */
  confirm(): Promise<void>
}

export interface Source {
  /** Which movers reach it: task queue `move@<zone>`. */
  zone: string
  kind: 'rbd' | 'file'
  /** @throws CodedError `CK-CAPTURE-LOST` when the snapshot does not exist, `CK-SOURCE-…` otherwise */
  open(ref: BytesRef): Promise<OpenBytes>
  /** Clients that have the volume open for writing (RBD watchers), or `unknown` where this cannot be told. */
  watchers(place: VolumePlace): Promise<string[] | 'unknown'>
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
