/** How long the steps of a copy are. Tests make them short. */
export interface CephPace {
  /** A first copy is taken up where its last segment ended: after so many bytes written… Default: 16 GiB. */
  segmentBytes: number
  /** …or so long, whatever comes first. Default: 10 minutes. */
  segmentMs: number
  /** Leaves in one object of the hash tree, 32 bytes each. Default: 131,072, which are 512 GiB of the volume. */
  pieceLeaves: number
  /** A cluster that takes no byte for so long is called stuck. Default: 5 minutes. */
  stallMs: number
  /** Short commands that take longer are ended. Default: 2 minutes. */
  commandMs: number
}

export const defaultPace: CephPace = {
  segmentBytes: 16 * 2 ** 30,
  segmentMs: 600_000,
  pieceLeaves: 131_072,
  stallMs: 300_000,
  commandMs: 120_000,
}
