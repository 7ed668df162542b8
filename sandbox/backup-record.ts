import { badRequest } from './api-error.js'
import type { Caller, Cloud } from './cloud.js'
import { serviceHost } from './cloud.js'
import type { BackupRecord } from './state.js'

/** The driver's name, and the row as base64 JSON (cinder/objects/backup.py `encode_record`). @throws 400 */
export function exportRecord(backup: BackupRecord): { backup_service: string; backup_url: string } {
  if (backup.status !== 'available' || backup.service === null) {
    throw badRequest(`Invalid backup: Backup status must be available and not ${backup.status}.`)
  }
  const record = {
    id: backup.id,
    user_id: backup.userId,
    project_id: backup.projectId,
    volume_id: backup.volumeId,
    host: backup.host,
    availability_zone: backup.availabilityZone,
    container: backup.container,
    parent_id: backup.parentId,
    status: backup.status,
    fail_reason: backup.failReason,
    size: backup.size,
    display_name: backup.name,
    display_description: backup.description,
    service_metadata: backup.serviceMetadata,
    service: backup.service,
    object_count: backup.objectCount,
    snapshot_id: backup.snapshotId,
    created_at: `${backup.createdAt.slice(0, 19)}Z`,
    data_timestamp: `${backup.dataTimestamp.slice(0, 19)}Z`,
    num_dependent_backups: 0,
    driver_info: {},
    temp_volume_id: null,
    temp_snapshot_id: null,
    restore_volume_id: null,
    metadata: backup.metadata,
    encryption_key_id: null,
    updated_at: backup.updatedAt === null ? null : `${backup.updatedAt.slice(0, 19)}Z`,
    deleted_at: null,
    deleted: false,
  }
  return { backup_service: backup.service, backup_url: Buffer.from(JSON.stringify(record)).toString('base64') }
}

interface Exported {
  id: string
  volume_id: string
  container: string | null
  parent_id: string | null
  size: number
  display_name: string | null
  display_description: string | null
  service_metadata: string | null
  object_count: number
  snapshot_id: string | null
  created_at: string
  data_timestamp: string
}

/** Makes the row again under its own id, in the caller's project. @throws 400 */
export function importRecord(
  cloud: Cloud,
  caller: Caller,
  asked: { backup_service: string; backup_url: string },
): BackupRecord {
  let record: Exported
  try {
    record = JSON.parse(Buffer.from(asked.backup_url, 'base64').toString()) as Exported
  } catch {
    throw badRequest('Invalid input received: Can not decode backup record.')
  }
  if (cloud.state.backups.has(record.id)) {
    throw badRequest('Invalid backup: Backup already exists in database.')
  }
  const time = (text: string): string => `${text.slice(0, 19)}.000000`
  const backup: BackupRecord = {
    id: record.id,
    name: record.display_name,
    description: record.display_description,
    status: 'available',
    volumeId: record.volume_id,
    snapshotId: record.snapshot_id,
    parentId: record.parent_id,
    size: record.size,
    objectCount: record.object_count,
    container: record.container,
    availabilityZone: null,
    host: serviceHost,
    service: asked.backup_service,
    serviceMetadata: record.service_metadata,
    failReason: null,
    createdAt: time(record.created_at),
    updatedAt: null,
    dataTimestamp: time(record.data_timestamp),
    projectId: caller.projectId,
    userId: caller.userId,
    metadata: {},
    saved: null,
  }
  cloud.state.backups.set(backup.id, backup)
  return backup
}
