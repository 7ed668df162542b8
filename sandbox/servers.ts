import { randomUUID } from 'node:crypto'
import { completeAttachment, connectVolume, reserveVolume } from './attach.js'
import type { Caller, Cloud } from './cloud.js'
import { serviceHost } from './cloud.js'
import { newGuest, stopWriting } from './guest.js'
import type { GuestSettings } from './guest.js'
import { attachmentsOf } from './server-guest.js'
import type { AttachmentRecord, ServerRecord, VolumeRecord } from './state.js'
import { databaseTime } from './state.js'

export interface NewServer {
  name: string
  projectId: string
  userId: string
  metadata?: Record<string, string>
  /** `ACTIVE` unless it is given. */
  status?: string
  /** Nova's compute host and the hypervisor's name; `sandbox` unless it is given. */
  host?: string
  /** Ids of volumes that are attached at once, the boot volume first. */
  volumes?: string[]
  /** Absent: it boots from its first volume. */
  imageRef?: string
  guest?: Partial<GuestSettings>
}

/** A server with its volumes. @throws 400 when one of them cannot be attached */
export function addServer(cloud: Cloud, given: NewServer): ServerRecord {
  const server: ServerRecord = {
    id: randomUUID(),
    name: given.name,
    projectId: given.projectId,
    userId: given.userId,
    status: given.status ?? 'ACTIVE',
    host: given.host ?? serviceHost,
    createdAt: `${databaseTime().slice(0, 19)}Z`,
    metadata: given.metadata ?? {},
    imageRef: given.imageRef ?? '',
    rootVolumeId: null,
    imageProperties: {},
    guest: newGuest(given.guest),
  }
  if (server.status !== 'ACTIVE') stopWriting(server.guest)
  cloud.state.servers.set(server.id, server)
  for (const id of given.volumes ?? []) {
    const volume = cloud.state.volumes.get(id)
    if (volume === undefined) throw new Error(`the sandbox has no volume ${id}`)
    const attachment = reserveVolume(volume, server.id, 'null')
    attachTo(cloud, nobody(given), server, volume, attachment, nextDevice(cloud, server))
  }
  return server
}

const nobody = ({ projectId, userId }: NewServer): Caller => ({
  ...{ userId, userName: '', projectId, projectName: '', roles: [], isAdmin: false },
  ...{ requestId: `req-${randomUUID()}`, globalRequestId: null },
})

/** `/dev/vda`, `/dev/vdb`, … */
export const nextDevice = (cloud: Cloud, server: ServerRecord): string => {
  const taken = attachmentsOf(cloud, server.id).filter(({ device }) => device !== null)
  return `/dev/vd${String.fromCharCode(97 + taken.length)}`
}

/** What nova-compute does with a reserved attachment. The first volume of a server without an image is its boot volume. */
export function attachTo(
  cloud: Cloud,
  caller: Caller,
  server: ServerRecord,
  volume: VolumeRecord,
  attachment: AttachmentRecord,
  device: string,
): void {
  if (server.rootVolumeId === null && server.imageRef === '') {
    server.rootVolumeId = volume.id
    server.imageProperties = { ...volume.imageMetadata }
  }
  const connector = { host: server.host, mountpoint: device, platform: 'x86_64', os_type: 'linux' }
  connectVolume(cloud, caller, volume, attachment, connector)
  completeAttachment(cloud, caller, volume, attachment)
}

export const flavor = {
  id: 'tiny',
  name: 'tiny',
  ram: 128,
  vcpus: 1,
  disk: 0,
  swap: '',
  rxtx_factor: 1,
  'OS-FLV-EXT-DATA:ephemeral': 0,
  'os-flavor-access:is_public': true,
  links: [],
}

/** `GET /servers/{id}` as an admin sees it; Nova shows a member neither host nor hypervisor. */
export const shownServer = (cloud: Cloud, server: ServerRecord, isAdmin: boolean): unknown => ({
  id: server.id,
  name: server.name,
  status: server.status,
  tenant_id: server.projectId,
  user_id: server.userId,
  metadata: server.metadata,
  hostId: '',
  image: server.imageRef === '' ? '' : { id: server.imageRef, links: [] },
  flavor: { id: flavor.id, links: [] },
  created: server.createdAt,
  updated: server.createdAt,
  addresses: {},
  accessIPv4: '',
  accessIPv6: '',
  links: [{ rel: 'self', href: `${cloud.url}/compute/v2.1/servers/${server.id}` }],
  'OS-DCF:diskConfig': 'AUTO',
  progress: 0,
  'OS-EXT-AZ:availability_zone': 'nova',
  config_drive: '',
  key_name: null,
  'OS-SRV-USG:launched_at': server.createdAt,
  'OS-SRV-USG:terminated_at': null,
  ...(isAdmin
    ? {
        'OS-EXT-SRV-ATTR:host': server.host,
        'OS-EXT-SRV-ATTR:instance_name': `instance-${server.id.slice(0, 8)}`,
        'OS-EXT-SRV-ATTR:hypervisor_hostname': server.host,
      }
    : {}),
  'OS-EXT-STS:task_state': null,
  'OS-EXT-STS:vm_state': server.status === 'SHUTOFF' ? 'stopped' : server.status.toLowerCase(),
  'OS-EXT-STS:power_state': server.status === 'ACTIVE' ? 1 : 4,
  'os-extended-volumes:volumes_attached': attachmentsOf(cloud, server.id).map(({ volumeId }) => ({ id: volumeId })),
  security_groups: [],
})
