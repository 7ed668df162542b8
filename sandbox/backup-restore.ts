import { setTimeout as sleep } from 'node:timers/promises'
import { badRequest } from './api-error.js'
import type { Caller, Cloud } from './cloud.js'
import { later, volumeHost, volumePath } from './cloud.js'
import { makeSparse } from './files.js'
import { findVolume } from './find.js'
import type { ApiRequest } from './http.js'
import { leaveMessage } from './messages.js'
import { notifyBackup, notifyVolume } from './payloads.js'
import { reserve } from './quotas.js'
import type { BackupRecord, VolumeRecord } from './state.js'
import { databaseTime } from './state.js'
import { newVolume } from './volumes.js'

/** Accepts a restore as cinder/backup/api.py does; without a volume it *blocks* until a new one exists. @throws 400 */
export async function acceptRestore(
  cloud: Cloud,
  request: ApiRequest,
  backup: BackupRecord,
  asked: { volume_id?: string | null | undefined; name?: string | null | undefined },
): Promise<VolumeRecord> {
  if (backup.status !== 'available') throw badRequest('Invalid backup: Backup status must be available')
  const volume = asked.volume_id
    ? findVolume(cloud, request, asked.volume_id)
    : await createFor(cloud, request, backup, asked.name ?? `restore_backup_${backup.id}`)
  if (volume.status !== 'available') throw badRequest('Invalid volume: Volume to be restored to must be available')
  if (backup.size > volume.size) {
    throw badRequest(
      `Invalid volume: volume size ${volume.size} is too small to restore backup of size ${backup.size}.`,
    )
  }
  backup.status = 'restoring'
  volume.status = 'restoring-backup'
  restoreInto(cloud, request.caller, backup, volume)
  return volume
}

async function createFor(cloud: Cloud, request: ApiRequest, backup: BackupRecord, name: string): Promise<VolumeRecord> {
  const { projectId, userId } = request.caller
  reserve(cloud, projectId, 'volumes', backup.size)
  const volume = newVolume({
    name,
    description: 'auto-created_from_restore_from_backup',
    size: backup.size,
    projectId,
    userId,
    typeId: [...cloud.state.types.keys()][0] ?? '',
    availabilityZone: 'nova',
    host: volumeHost,
  })
  cloud.state.volumes.set(volume.id, volume)
  notifyVolume(cloud, request.caller, volume, 'create.start', 'pool')
  await sleep(cloud.delays['volume.create'] ?? 20)
  await makeSparse(volumePath(cloud, volume.id), backup.size * cloud.bytesPerGib)
  volume.status = 'available'
  volume.launchedAt = databaseTime()
  notifyVolume(cloud, request.caller, volume, 'create.end', 'pool')
  return volume
}

/** Does the restore later. A failure leaves the *backup* `available`: only the volume tells. */
export function restoreInto(cloud: Cloud, caller: Caller, backup: BackupRecord, volume: VolumeRecord): void {
  notifyBackup(cloud, caller, backup, 'restore.start')
  later(cloud, 'backup.restore', {
    act: async () => {
      await cloud.driver.restore(backup, volumePath(cloud, volume.id))
      writeSaved(backup, volume)
      volume.status = 'available'
      backup.status = 'available'
      notifyBackup(cloud, caller, backup, 'restore.end')
    },
    fail: () => {
      volume.status = 'error_restoring'
      backup.status = 'available'
      leaveMessage(cloud, caller, { type: 'VOLUME_BACKUP', id: backup.id }, 'restoreBackup', 'restore')
    },
  })
}

/**
 * Name and description are kept when the volume has a name of its own; metadata is replaced; `src_backup_id` is added
 * unless it is the volume's own backup (cinder/backup/driver.py `_restore_vol_base_meta`, cinder/backup/manager.py).
 */
function writeSaved(backup: BackupRecord, volume: VolumeRecord): void {
  const { saved } = backup
  if (saved !== null) {
    const named = volume.name !== null && volume.name !== '' && !volume.name.startsWith('restore_backup_')
    if (saved.name && !named) {
      volume.name = saved.name
      volume.description = saved.description
    }
    if (Object.keys(saved.metadata).length > 0) volume.metadata = { ...saved.metadata }
    if (Object.keys(saved.imageMetadata).length > 0) {
      volume.imageMetadata = { ...saved.imageMetadata }
      volume.bootable = true
    }
  }
  const previous = volume.metadata['src_backup_id']
  if (backup.volumeId !== volume.id || (previous !== undefined && previous !== backup.id)) {
    volume.metadata = { ...volume.metadata, src_backup_id: backup.id }
  }
  volume.updatedAt = databaseTime()
}
