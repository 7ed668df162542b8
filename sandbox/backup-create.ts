import { randomUUID } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { badRequest } from './api-error.js'
import { breakBackup } from './backup-damage.js'
import type { Caller, Cloud } from './cloud.js'
import { backupServiceIsUp, later, serviceHost, snapshotPath, volumeHost, volumePath } from './cloud.js'
import { copySparse } from './files.js'
import { findSnapshot, findVolume } from './find.js'
import type { ApiRequest } from './http.js'
import { leaveMessage } from './messages.js'
import { notifyBackup, notifyVolume } from './payloads.js'
import { reserve } from './quotas.js'
import type { BackupRecord, SnapshotRecord, VolumeRecord } from './state.js'
import { databaseTime } from './state.js'
import { newVolume } from './volumes.js'

interface Asked {
  volume_id: string
  snapshot_id?: string | null | undefined
  name?: string | null | undefined
  description?: string | null | undefined
  container?: string | null | undefined
  incremental?: boolean | undefined
  force?: boolean | undefined
  metadata?: Record<string, string> | null | undefined
}

/** Accepts a backup as cinder/backup/api.py does, and makes it later. @throws 400, 404, 413 */
export function acceptBackup(cloud: Cloud, request: ApiRequest, asked: Asked): BackupRecord {
  const { caller } = request
  const volume = findVolume(cloud, request, asked.volume_id)
  const snapshot = asked.snapshot_id ? findSnapshot(cloud, request, asked.snapshot_id) : undefined
  if (snapshot !== undefined) refuseSnapshot(volume, snapshot)
  else refuseVolume(volume, asked.force === true)
  reserve(cloud, caller.projectId, 'backups', volume.size)
  const parent = asked.incremental === true ? parentFor(cloud, caller, volume, snapshot) : undefined
  const createdAt = databaseTime()
  const backup: BackupRecord = {
    id: randomUUID(),
    name: asked.name ?? null,
    description: asked.description ?? null,
    status: 'creating',
    volumeId: volume.id,
    snapshotId: snapshot?.id ?? null,
    parentId: parent?.id ?? null,
    size: volume.size,
    objectCount: 0,
    container: asked.container ?? null,
    availabilityZone: null,
    host: null,
    service: null,
    serviceMetadata: null,
    failReason: null,
    createdAt,
    updatedAt: null,
    dataTimestamp: snapshot?.createdAt ?? createdAt,
    projectId: caller.projectId,
    userId: caller.userId,
    metadata: asked.metadata ?? {},
    saved: null,
  }
  const previousStatus = volume.status
  if (snapshot !== undefined) snapshot.status = 'backing-up'
  else {
    volume.previousStatus = previousStatus
    volume.status = 'backing-up'
  }
  cloud.state.backups.set(backup.id, backup)
  cloud.load.began('backup', backup)
  const release = (): void => {
    cloud.load.ended('backup', backup.id)
    if (snapshot !== undefined) snapshot.status = 'available'
    else if (volume.status === 'backing-up') volume.status = previousStatus
  }
  const failed = (reason: string, detail: 'createDriver' | 'scheduleBackup'): void => {
    release()
    if (snapshot === undefined) volume.previousStatus = 'error_backing-up'
    backup.status = 'error'
    backup.failReason = reason.slice(0, 255)
    backup.updatedAt = databaseTime()
    leaveMessage(cloud, caller, { type: 'VOLUME_BACKUP', id: backup.id }, 'createBackup', detail)
  }
  if (!backupServiceIsUp(cloud)) {
    // accepted all the same: the scheduler finds out after the answer (facts/openstack.md 2)
    setImmediate(() => {
      failed('Service not found for creating backup.', 'scheduleBackup')
      // and overwrites the volume's status, not the snapshot's (facts/openstack.md 6, 11)
      if (snapshot !== undefined) snapshot.status = 'backing-up'
    })
    return backup
  }
  backup.host = serviceHost
  notifyBackup(cloud, caller, backup, 'create.start')
  backup.service = cloud.driver.name
  backup.container ??= cloud.driver.defaultContainer
  later(cloud, 'backup.create', {
    act: async () => {
      await store(cloud, caller, backup, volume, snapshot, previousStatus === 'in-use')
      // chunked drivers alone tell how far they are, at least at the end (chunkeddriver.py, _send_progress_end)
      if (!cloud.driver.name.endsWith('CephBackupDriver'))
        notifyBackup(cloud, caller, backup, 'createprogress', { backup_percent: 100 })
      release()
      if (snapshot === undefined) volume.previousStatus = 'backing-up'
      backup.status = 'available'
      backup.updatedAt = databaseTime()
      await strikeDamage(cloud, backup)
      notifyBackup(cloud, caller, backup, 'create.end')
    },
    fail: (reason) => {
      failed(reason, 'createDriver')
    },
  })
  return backup
}

function refuseSnapshot(volume: VolumeRecord, snapshot: SnapshotRecord): void {
  if (snapshot.volumeId !== volume.id) {
    throw badRequest(`Invalid volume: Volume ${volume.id} does not match with snapshot.volume_id ${snapshot.volumeId}.`)
  }
  if (snapshot.status !== 'available') {
    throw badRequest(
      `Invalid snapshot: Snapshot to be backed up must be available, but the current status is "${snapshot.status}".`,
    )
  }
}

function refuseVolume(volume: VolumeRecord, force: boolean): void {
  if (!['available', 'in-use'].includes(volume.status)) {
    throw badRequest(
      `Invalid volume: Volume to be backed up must be available or in-use, but the current status is "${volume.status}".`,
    )
  }
  if (volume.status === 'in-use' && !force) {
    throw badRequest('Invalid volume: Backing up an in-use volume must use the force flag.')
  }
}

/** The latest in the caller's project; an errored one blocks all (bug 1974092). */
function parentFor(
  cloud: Cloud,
  caller: Caller,
  volume: VolumeRecord,
  snapshot: SnapshotRecord | undefined,
): BackupRecord {
  const own = [...cloud.state.backups.values()].filter(
    (backup) => backup.volumeId === volume.id && backup.projectId === caller.projectId,
  )
  const rank = (backup: BackupRecord): string =>
    snapshot === undefined || backup.dataTimestamp < snapshot.createdAt ? backup.dataTimestamp : ''
  const [latest] = own.toSorted((a, b) => (rank(a) < rank(b) ? 1 : -1))
  if (latest === undefined) throw badRequest('Invalid backup: No backups available to do an incremental backup.')
  if (latest.status !== 'available') {
    throw badRequest('Invalid backup: The parent backup must be available for incremental backup.')
  }
  return latest
}

async function store(
  cloud: Cloud,
  caller: Caller,
  backup: BackupRecord,
  volume: VolumeRecord,
  snapshot: SnapshotRecord | undefined,
  inUse: boolean,
): Promise<void> {
  const parent = backup.parentId === null ? undefined : cloud.state.backups.get(backup.parentId)
  // chunked drivers read a volume in use through a clone of it; the Ceph driver through an RBD snapshot of its own
  const chunked = cloud.driver.supportsForceDelete
  const clone = inUse && snapshot === undefined && chunked ? await makeClone(cloud, backup, volume) : undefined
  const source = snapshot !== undefined ? snapshotPath(cloud, snapshot.id) : volumePath(cloud, clone?.id ?? volume.id)
  try {
    const stored = await cloud.driver.backup(backup, source, parent)
    backup.container = stored.container
    backup.serviceMetadata = stored.serviceMetadata
    backup.objectCount = stored.objectCount
    backup.saved = {
      name: volume.name,
      description: volume.description,
      metadata: { ...volume.metadata },
      imageMetadata: { ...volume.imageMetadata },
    }
  } finally {
    if (clone !== undefined) await removeClone(cloud, caller, clone)
  }
}

async function makeClone(cloud: Cloud, backup: BackupRecord, volume: VolumeRecord): Promise<VolumeRecord> {
  const clone = newVolume({
    name: `backup-vol-${backup.id}`,
    description: null,
    size: volume.size,
    projectId: volume.projectId,
    userId: volume.userId,
    typeId: volume.typeId,
    availabilityZone: volume.availabilityZone,
    sourceVolumeId: volume.id,
    usesQuota: false,
    host: volumeHost,
  })
  cloud.state.volumes.set(clone.id, clone)
  await copySparse(volumePath(cloud, volume.id), volumePath(cloud, clone.id))
  clone.status = 'available'
  return clone
}

async function removeClone(cloud: Cloud, caller: Caller, clone: VolumeRecord): Promise<void> {
  clone.status = 'deleting'
  notifyVolume(cloud, caller, clone, 'delete.start', 'backend')
  await rm(volumePath(cloud, clone.id), { force: true })
  cloud.state.volumes.delete(clone.id)
  notifyVolume(cloud, caller, clone, 'delete.end', 'backend')
}

async function strikeDamage(cloud: Cloud, backup: BackupRecord): Promise<void> {
  const fault = cloud.faults.strike(['damage-backup'], (candidate) => candidate.backup === undefined)
  if (fault !== undefined) await breakBackup(cloud, backup, fault.how)
}
