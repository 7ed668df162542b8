import type { Cloud } from './cloud.js'
import type { ApiRequest } from './http.js'
import type { VolumeRecord } from './state.js'

/** `self` and `bookmark`, as every object of Cinder has them. */
export function linksOf(request: ApiRequest, collection: string, id: string): unknown[] {
  const { projectId } = request.caller
  return [
    { rel: 'self', href: `${request.base}/v3/${projectId}/${collection}/${id}` },
    { rel: 'bookmark', href: `${request.base}/${projectId}/${collection}/${id}` },
  ]
}

/** The short form of `GET /volumes`. */
export const volumeSummary = (request: ApiRequest, volume: VolumeRecord): unknown => ({
  id: volume.id,
  name: volume.name,
  links: linksOf(request, 'volumes', volume.id),
})

/**
 * The detailed form, by microversion and rights (api/v2/views/volumes.py, api/v3/views/volumes.py). Only a show and a
 * list have the extensions' `os-…` attributes: the answers to create and update have not.
 */
export function shownVolume(cloud: Cloud, request: ApiRequest, volume: VolumeRecord): Record<string, unknown> {
  return {
    ...coreOf(cloud, request, volume),
    'os-vol-tenant-attr:tenant_id': volume.projectId,
    ...(request.caller.isAdmin
      ? {
          'os-vol-host-attr:host': volume.host,
          'os-vol-mig-status-attr:migstat': volume.migrationStatus,
          'os-vol-mig-status-attr:name_id': null,
        }
      : {}),
    ...(Object.keys(volume.imageMetadata).length > 0 ? { volume_image_metadata: volume.imageMetadata } : {}),
  }
}

/** As `shownVolume`, without the extensions' attributes. */
export function coreOf(cloud: Cloud, request: ApiRequest, volume: VolumeRecord): Record<string, unknown> {
  const { minor, caller } = request
  const attached = volume.attachments.filter((attachment) => attachment.status === 'attached')
  return {
    id: volume.id,
    status: volume.status,
    size: volume.size,
    availability_zone: volume.availabilityZone,
    created_at: volume.createdAt,
    updated_at: volume.updatedAt,
    name: volume.name,
    description: volume.description,
    volume_type: cloud.state.types.get(volume.typeId)?.name ?? null,
    snapshot_id: volume.snapshotId,
    source_volid: volume.sourceVolumeId,
    metadata: volume.metadata,
    links: linksOf(request, 'volumes', volume.id),
    user_id: volume.userId,
    bootable: String(volume.bootable),
    encrypted: false,
    replication_status: null,
    consistencygroup_id: null,
    multiattach: volume.multiattach,
    attachments: attached.map((attachment) => ({
      id: volume.id,
      attachment_id: attachment.id,
      volume_id: volume.id,
      server_id: attachment.serverId,
      host_name: caller.isAdmin ? attachment.host : null,
      device: attachment.device,
      attached_at: attachment.attachedAt,
    })),
    ...(caller.isAdmin ? { migration_status: volume.migrationStatus } : {}),
    ...(minor >= 13 ? { group_id: null } : {}),
    ...(caller.isAdmin && minor >= 21 ? { provider_id: null } : {}),
    // no backend yet: null, shown as true before 3.69
    ...(minor >= 48
      ? {
          shared_targets: volume.host === null ? (minor >= 69 ? null : true) : false,
          service_uuid: volume.host === null ? null : 'e3d1c4a2-6f0b-4f0e-9d55-1c2b3a4d5e6f',
        }
      : {}),
    ...(caller.isAdmin && minor >= 61 ? { cluster_name: null } : {}),
    ...(minor >= 63 ? { volume_type_id: volume.typeId } : {}),
    ...(minor >= 65 ? { consumes_quota: volume.usesQuota } : {}),
  }
}
