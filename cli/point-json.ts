import type { RecoveryPoint } from '../workflows/messages.js'

/** A point as `points --json` and `show --json` print it; stable (docs/cli.md). */
export function pointJson(point: RecoveryPoint) {
  return {
    point: point.point,
    volume: point.volumeId,
    capturedAt: point.capturedAt,
    consistency: point.consistency,
    sizeBytes: point.sizeBytes,
    rootHash: point.rootHash,
    slot: point.slot,
    archive: point.archive,
    group: point.group,
    copies: point.copies.map((copy) => ({
      target: copy.target,
      state: copy.state,
      verifiedAt: copy.verifiedAt,
      writtenBytes: copy.writtenBytes,
      storedBytes: copy.storedBytes,
      basePoint: copy.basePoint,
      reason: copy.reason,
      // there is no retention yet: nothing ends by itself
      keep: { until: null, because: ['no-retention'] },
    })),
  }
}

/** The state of a point as a whole: that of its best copy, and how many there are of each. */
export function copiesInWords(point: RecoveryPoint): string {
  return point.copies.map(({ target, state }) => `${target}: ${state}`).join(', ')
}
