import type { Copy } from '../target.js'
import type { StoredCopy } from './image-state.js'
import type { CephSetting } from './setting.js'

/** A copy as the contract describes it. */
export function toCopy({ name, options }: Pick<CephSetting, 'name' | 'options'>, stored: StoredCopy): Copy {
  const { manifest, mark, missed, isThere } = stored
  const state = stateOf(stored)
  const doubt = state === 'suspect' ? missed : null
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
    state,
    rootHash: mark.rootHash ?? manifest.rootHash,
    ...(hashedBytes !== undefined && { hashedBytes }),
    verifiedAt: mark.verifiedAt,
    writtenBytes: manifest.writtenBytes,
    storedBytes: null,
    basePoint: manifest.read === 'changes' ? (manifest.base?.point ?? null) : null,
    reason: isThere || mark.state === 'removing' ? (doubt?.reason ?? mark.reason) : 'its RBD snapshot is gone',
    ...(doubt !== null && doubt.at !== '' && { suspectSince: doubt.at }),
    ...(manifest.wholeObject && { wholeObject: true }),
    sourceComparedSince: manifest.comparedAt[0] ?? manifest.capturedAt,
  }
}

/** Its own tree proves what a copy holds, not that nothing was missed: no verdict makes a suspect copy a verified one. */
function stateOf({ mark, missed, isThere }: StoredCopy): Copy['state'] {
  if (mark.state === 'removing') return 'removing'
  if (!isThere || mark.state === 'damaged') return 'damaged'
  if (missed !== null) return 'suspect'
  return mark.state === 'writing' ? 'unverified' : mark.state
}
