import type { Caller, Cloud } from './cloud.js'
import { serviceHost, volumeBackend, volumeHost } from './cloud.js'
import type { AttachmentRecord, BackupRecord, SnapshotRecord, VolumeRecord } from './state.js'

const offset = (time: string): string => `${time.replace(/\.\d+$/, '')}+00:00`
const nullSafe = (time: string | null): string | null => (time === null ? null : time.replace(/\.\d+$/, '.000000'))

/** The publisher: the API, the backend, or (creation alone) the pool; cinder/volume/volume_utils.py. */
export type VolumePublisher = 'api' | 'backend' | 'pool'

const publishers: Record<VolumePublisher, string> = { api: serviceHost, backend: volumeBackend, pool: volumeHost }

/** Publishes `volume.<event>` as `notify_about_volume_usage` does. */
export function notifyVolume(
  cloud: Cloud,
  caller: Caller,
  volume: VolumeRecord,
  event: string,
  publisher: VolumePublisher,
): void {
  cloud.notifier.publish(caller, `volume.${publishers[publisher]}`, `volume.${event}`, volumePayload(cloud, volume))
}

function volumePayload(cloud: Cloud, volume: VolumeRecord): Record<string, unknown> {
  const glance = Object.entries(volume.imageMetadata).map(([key, value], index) => ({
    created_at: nullSafe(volume.createdAt),
    updated_at: null,
    deleted_at: null,
    deleted: false,
    id: index + 1,
    volume_id: volume.id,
    snapshot_id: null,
    key,
    value,
  }))
  return {
    tenant_id: volume.projectId,
    host: volume.host,
    user_id: volume.userId,
    availability_zone: volume.availabilityZone,
    volume_id: volume.id,
    volume_type: volume.typeId,
    display_name: volume.name,
    // `launched_at or now`: a volume that is not launched yet shows the present (facts/openstack.md 1)
    launched_at: volume.launchedAt === null ? new Date().toISOString().replace('Z', '000') : offset(volume.launchedAt),
    created_at: offset(volume.createdAt),
    status: volume.status,
    snapshot_id: volume.snapshotId,
    size: volume.size,
    replication_status: null,
    replication_extended_status: null,
    replication_driver_data: null,
    metadata: Object.entries(volume.metadata).map(([key, value], index) => ({
      created_at: nullSafe(volume.createdAt),
      updated_at: null,
      deleted_at: null,
      deleted: false,
      id: index + 1,
      volume_id: volume.id,
      key,
      value,
    })),
    volume_attachment: volume.attachments.map((attachment) => attachmentPayload(cloud, volume, attachment)),
    ...(glance.length > 0 ? { glance_metadata: glance } : {}),
  }
}

function attachmentPayload(cloud: Cloud, volume: VolumeRecord, attachment: AttachmentRecord): Record<string, unknown> {
  return {
    created_at: nullSafe(attachment.createdAt),
    updated_at: nullSafe(attachment.updatedAt),
    deleted_at: null,
    deleted: false,
    id: attachment.id,
    volume_id: volume.id,
    instance_uuid: attachment.serverId,
    attached_host: attachment.host,
    mountpoint: attachment.device,
    attach_time: nullSafe(attachment.attachedAt),
    detach_time: null,
    attach_status: attachment.status,
    attach_mode: attachment.mode,
    connection_info: attachment.connector === null ? '{}' : JSON.stringify(connectionInfo(cloud, attachment)),
    connector: attachment.connector === null ? null : JSON.stringify(attachment.connector),
    volume: {
      created_at: nullSafe(volume.createdAt),
      updated_at: nullSafe(volume.updatedAt),
      deleted_at: null,
      deleted: false,
      id: volume.id,
      _name_id: null,
      use_quota: volume.usesQuota,
      user_id: volume.userId,
      project_id: volume.projectId,
      snapshot_id: volume.snapshotId,
      host: volume.host,
      size: volume.size,
      availability_zone: volume.availabilityZone,
      status: volume.status,
      attach_status: attachment.status === 'attached' ? 'attached' : 'detached',
      migration_status: volume.migrationStatus,
      display_name: volume.name,
      display_description: volume.description,
      volume_type_id: volume.typeId,
      source_volid: volume.sourceVolumeId,
      encryption_key_id: null,
      bootable: volume.bootable,
      multiattach: volume.multiattach,
      previous_status: volume.previousStatus,
    },
  }
}

/** What a host would need to reach the volume: here a file. */
export function connectionInfo(cloud: Cloud, attachment: AttachmentRecord): Record<string, unknown> {
  return {
    driver_volume_type: 'file',
    path: `${cloud.dir}/volume-${attachment.volumeId}`,
    volume_id: attachment.volumeId,
    attachment_id: attachment.id,
    qos_specs: null,
    access_mode: attachment.mode === 'ro' ? 'ro' : 'rw',
    encrypted: false,
    cacheable: false,
  }
}

/** Publishes `snapshot.<event>`; `deleted` and `metadata` are strings, as the real ones are. */
export function notifySnapshot(cloud: Cloud, caller: Caller, snapshot: SnapshotRecord, event: string): void {
  cloud.notifier.publish(caller, `snapshot.${volumeBackend}`, `snapshot.${event}`, {
    tenant_id: snapshot.projectId,
    user_id: snapshot.userId,
    availability_zone: 'nova',
    volume_id: snapshot.volumeId,
    volume_size: snapshot.size,
    snapshot_id: snapshot.id,
    display_name: snapshot.name,
    created_at: offset(snapshot.createdAt),
    status: snapshot.status,
    deleted: '',
    metadata: Object.keys(snapshot.metadata).length === 0 ? '' : pythonDict(snapshot.metadata),
  })
}

const pythonDict = (values: Record<string, string>): string =>
  `{${Object.entries(values)
    .map(([key, value]) => `'${key}': '${value}'`)
    .join(', ')}}`

/** Publishes `backup.<event>`. @param more keys beside the usual ones, as `createprogress` has */
export function notifyBackup(
  cloud: Cloud,
  caller: Caller,
  backup: BackupRecord,
  event: string,
  more: Record<string, unknown> = {},
): void {
  const dependents = [...cloud.state.backups.values()].filter(
    (other) => other.parentId === backup.id && other.status === 'available',
  )
  cloud.notifier.publish(caller, `backup.${serviceHost}`, `backup.${event}`, {
    tenant_id: backup.projectId,
    user_id: backup.userId,
    availability_zone: backup.availabilityZone,
    backup_id: backup.id,
    host: backup.host,
    display_name: backup.name,
    created_at: offset(backup.createdAt),
    status: backup.status,
    volume_id: backup.volumeId,
    size: backup.size,
    service_metadata: backup.serviceMetadata,
    service: backup.service,
    fail_reason: backup.failReason,
    parent_id: backup.parentId,
    num_dependent_backups: dependents.length,
    snapshot_id: backup.snapshotId,
    ...more,
  })
}
