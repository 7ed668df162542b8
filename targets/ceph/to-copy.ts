import type { Copy } from '../target.js'
import type { StoredCopy } from './image-state.js'
import type { CephSetting } from './setting.js'

/** A copy as the contract describes it. */
export function toCopy({ name, options }: Pick<CephSetting, 'name' | 'options'>, stored: StoredCopy): Copy {
  const { manifest, mark, isThere } = stored
  const hashedBytes =
    mark.hashedBytes ?? (manifest.hashedBytes === manifest.sizeBytes ? undefined : manifest.hashedBytes)
  return {
    target: name,
    kind: 'ceph',
    point: manifest.point,
    archiveId: manifest.archiveId,
    archive: manifest.archive,
    slot: manifest.slot,
    group: manifest.group,
    ...(manifest.members !== undefined && { members: manifest.members }),
    volumeId: manifest.volume.volumeId,
    projectId: manifest.volume.projectId,
    snapshotId: manifest.snapshotId,
    capturedAt: manifest.capturedAt,
    consistency: manifest.consistency,
    sizeBytes: manifest.sizeBytes,
    ref: {
      pool: options.pool,
      image: manifest.image,
      snapshot: manifest.copySnapshot.name,
      snapshotId: String(manifest.copySnapshot.id),
    },
    state: stateOf(stored),
    rootHash: mark.rootHash ?? manifest.rootHash,
    ...(hashedBytes !== undefined && { hashedBytes }),
    verifiedAt: mark.verifiedAt,
    writtenBytes: manifest.writtenBytes,
    storedBytes: null,
    basePoint: manifest.read === 'changes' ? (manifest.base?.point ?? null) : null,
    reason: isThere || mark.state === 'removing' ? mark.reason : 'its RBD snapshot is gone',
    ...(manifest.wholeObject && { wholeObject: true }),
    sourceComparedSince: manifest.comparedAt[0] ?? manifest.capturedAt,
  }
}

function stateOf({ mark, isThere }: StoredCopy): Copy['state'] {
  if (mark.state === 'removing') return 'removing'
  if (!isThere) return 'damaged'
  return mark.state === 'writing' ? 'unverified' : mark.state
}
