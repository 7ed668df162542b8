import type { Copy, CopyState } from '../target.js'
import { readMark } from './manifest.js'
import type { OwnBackup } from './own-backups.js'
import { cinderTime } from './cinder-time.js'
import type { Setting } from './setting.js'

export const forceReason =
  'a force backup is made from an RBD snapshot that only the backup driver reads, so there is nothing to compare it with'

/** A copy as the contract describes it, from the backup and what is written on it. */
export function toCopy({ name }: Pick<Setting, 'name'>, { backup, manifest }: OwnBackup): Copy {
  const mark = readMark(backup.metadata)
  const forced = manifest.way === 'force'
  return {
    target: name,
    kind: 'cinder-backup',
    point: manifest.point,
    archiveId: manifest.archiveId,
    archive: manifest.archive,
    slot: manifest.slot,
    group: manifest.group,
    ...(manifest.members !== undefined && { members: manifest.members }),
    volumeId: manifest.volume.volumeId,
    projectId: manifest.volume.projectId,
    // a force backup has its own capture, made by the driver some time after the request
    snapshotId: forced ? `backup.${backup.id}.snap` : manifest.snapshotId,
    capturedAt: forced ? new Date(cinderTime(backup.createdAt)).toISOString() : manifest.capturedAt,
    consistency: manifest.consistency,
    sizeBytes: manifest.sizeBytes,
    ref: { backupId: backup.id },
    state: stateOf(backup.status, mark.state),
    rootHash: mark.rootHash,
    ...(mark.hashedBytes !== undefined && { hashedBytes: mark.hashedBytes }),
    verifiedAt: mark.verifiedAt,
    writtenBytes: null,
    storedBytes: null,
    basePoint: manifest.base?.point ?? null,
    reason: mark.reason ?? (forced ? forceReason : null),
  }
}

function stateOf(status: string, marked: CopyState): CopyState {
  if (status === 'creating') return 'writing'
  if (status === 'deleting' || status === 'error_deleting') return 'removing'
  // its data may be half gone, whatever it was once
  if (status === 'error') return 'damaged'
  return marked === 'writing' ? 'unverified' : marked
}
