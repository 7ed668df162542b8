import type { Caller, Cloud } from './cloud.js'
import type { ServerRecord } from './state.js'

/**
 * Publishes a legacy notification of Nova's, `compute.instance.<event>`, as `notify_about_instance_usage` does; the shape
 * is that of captured ones. Those of powering off and on are of the same function (nova/compute/manager.py).
 * @param more keys that only this event has, such as `volume_id`
 */
export function notifyServer(
  cloud: Cloud,
  caller: Caller,
  server: ServerRecord,
  event: string,
  more: Record<string, unknown> = {},
): void {
  cloud.notifier.publish(
    caller,
    `compute.${server.host}`,
    `compute.instance.${event}`,
    { ...serverPayload(cloud, server, event), ...more },
    { service: 'nova', priority: 'INFO' },
  )
}

const states: Record<string, string> = { BUILD: 'building', ACTIVE: 'active', SHUTOFF: 'stopped', DELETED: 'deleted' }
/** Nova's task while the event is told; empty once it is done. */
const tasks: Record<string, string> = {
  'delete.start': 'deleting',
  'shutdown.start': 'deleting',
  'shutdown.end': 'deleting',
  'power_off.start': 'powering-off',
  'power_on.start': 'powering-on',
  'create.start': '',
}

function serverPayload(cloud: Cloud, server: ServerRecord, event: string): Record<string, unknown> {
  const isDeleted = server.status === 'DELETED'
  const created = server.createdAt.replace('T', ' ').replace('Z', '+00:00')
  const launched = server.createdAt.replace('Z', '.000000')
  const now = new Date().toISOString().replace('Z', '000')
  return {
    tenant_id: server.projectId,
    user_id: server.userId,
    instance_id: server.id,
    display_name: server.name,
    reservation_id: `r-${server.id.slice(0, 8)}`,
    hostname: server.name,
    ...{ instance_type: 'tiny', instance_type_id: 1, instance_flavor_id: 'tiny', architecture: null },
    ...{ memory_mb: 128, disk_gb: 0, vcpus: 1, root_gb: 0, ephemeral_gb: 0 },
    host: server.host,
    node: server.host,
    availability_zone: 'nova',
    cell_name: '',
    created_at: created,
    terminated_at: isDeleted ? now : '',
    deleted_at: isDeleted ? `${now.slice(0, 19)}.000000` : '',
    launched_at: server.status === 'BUILD' ? '' : launched,
    image_ref_url: `${cloud.url}/image/images/${server.imageRef}`,
    os_type: null,
    kernel_id: '',
    ramdisk_id: '',
    state: states[server.status] ?? server.status.toLowerCase(),
    state_description: tasks[event] ?? '',
    progress: '',
    access_ip_v4: null,
    access_ip_v6: null,
    ...(event === 'create.end' ? { fixed_ips: [], message: 'Success' } : {}),
    image_meta: { ...server.imageProperties, min_ram: '0', min_disk: '0', base_image_ref: server.imageRef },
    metadata: server.metadata,
  }
}

/**
 * The only sign on the bus that a freeze failed: an error named after the method. The real payload also holds the whole
 * server, with the caller's live token in it (`args.instance.info_cache._context`); here the token is a word.
 */
export function notifyQuiesceFailed(cloud: Cloud, caller: Caller, server: ServerRecord, reason: string): void {
  cloud.notifier.publish(
    caller,
    `compute.${server.host}`,
    'quiesce_instance',
    {
      exception: `{'kwargs': {'code': 500}, 'message': '${reason}', 'class': 'InternalError'}`,
      args: {
        instance: {
          user_id: server.userId,
          project_id: server.projectId,
          image_ref: server.imageRef,
          hostname: server.name,
          host: server.host,
          node: server.host,
          display_name: server.name,
          uuid: server.id,
          vm_state: 'active',
          info_cache: { _context: { auth_token: 'REDACTED', request_id: caller.requestId } },
        },
      },
    },
    { service: 'nova', priority: 'ERROR' },
  )
}
