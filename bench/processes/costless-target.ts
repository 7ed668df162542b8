import type { Capture, Copy, Target } from '../../targets/target.js'

/**
 * A target whose acts cost nothing: what is left is what Temporal and our workflows cost.
 * @param preflight of a real target, where asking whether there is room belongs to what is measured
 */
export function costlessTarget(name: string, preflight?: NonNullable<Target['preflight']>): Target {
  return {
    ...{ name, kind: 'cinder-backup', queues: { write: 'control', verify: 'control' } },
    ...(preflight !== undefined && { preflight }),
    writeCopy: async (capture) => copyOf(name, capture),
    verifyCopy: async () => ({ state: 'verified', rootHash: 'sha256-4m:aa', reason: null, readBytes: 0 }),
    markCopy: async (copy, mark) => ({ ...copy, ...mark }),
    restoreCopy: async () => undefined,
    removeCopy: async () => undefined,
    listCopies: async () => [],
    removeTemporaries: async () => undefined,
    capacity: async () => ({ freeBytes: null, totalBytes: null }),
  }
}

function copyOf(target: string, capture: Capture): Copy {
  const { point, archiveId, archive, slot, group, volume, snapshotId, capturedAt, consistency, sizeBytes } = capture
  return {
    ...{ target, kind: 'cinder-backup', point, archiveId, archive, slot, group, snapshotId, capturedAt, consistency },
    ...{ volumeId: volume.volumeId, projectId: volume.projectId, sizeBytes, ref: { backupId: archiveId } },
    ...{ state: 'unverified', rootHash: null, verifiedAt: null, writtenBytes: 0, storedBytes: 0 },
    ...{ basePoint: null, reason: null },
  }
}
