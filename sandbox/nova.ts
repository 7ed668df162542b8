import { randomUUID } from 'node:crypto'
import { z } from 'zod'
import { ApiError, cinderFault, notFound } from './api-error.js'
import { completeAttachment, connectVolume, detachVolume, reserveVolume } from './attach.js'
import { parseBody } from './bodies.js'
import type { Cloud } from './cloud.js'
import { later, serviceHost } from './cloud.js'
import { findVolume, requireAdmin } from './find.js'
import { findRoute, guarded } from './http.js'
import type { ApiRequest, Handler, Route, Service } from './http.js'
import { identify } from './keystone.js'
import { isTrue } from './listing.js'
import type { AttachmentRecord, ServerRecord } from './state.js'
import { databaseTime } from './state.js'

/** As much of Nova's `/v2.1` as attaching and detaching volumes needs; mounted at `/compute`. */
export function nova(cloud: Cloud): Service {
  const routes = serverRoutes(cloud)
  return {
    mount: 'compute',
    answer: (request) =>
      guarded(cloud, cinderFault, () => {
        const trimmed = request.path.replace(/\/$/, '')
        const version = {
          id: 'v2.1',
          status: 'CURRENT',
          version: '2.93',
          min_version: '2.1',
          updated: '2013-07-23T11:33:21Z',
          links: [{ rel: 'self', href: `${request.base}/v2.1/` }],
        }
        if (trimmed === '') return { status: 200, body: { versions: [version] } }
        if (trimmed === '/v2.1') return { status: 200, body: { version } }
        const caller = identify(cloud, request.headers, request.requestId)
        const found = findRoute(routes, request.method, trimmed.replace(/^\/v2\.1/, ''))
        if (found === undefined) throw new ApiError(404, 'The resource could not be found.')
        return found.route[2]({ ...request, params: found.params, caller, minor: 0 })
      }),
  }
}

const createBody = z.object({
  server: z.looseObject({ name: z.string(), metadata: z.record(z.string(), z.string()).optional() }),
})
const attachBody = z.object({
  volumeAttachment: z.looseObject({ volumeId: z.string(), device: z.string().nullish() }),
})

function serverRoutes(cloud: Cloud): readonly Route[] {
  const find = (request: ApiRequest): ServerRecord => {
    const id = request.params['id'] ?? ''
    const server = cloud.state.servers.get(id)
    if (server === undefined || (server.projectId !== request.caller.projectId && !request.caller.isAdmin)) {
      throw new ApiError(404, `Instance ${id} could not be found.`)
    }
    return server
  }
  const attachmentsOf = (serverId: string): AttachmentRecord[] =>
    [...cloud.state.volumes.values()].flatMap((volume) =>
      volume.attachments.filter((attachment) => attachment.serverId === serverId),
    )
  const list: Handler = (request) => {
    const all = isTrue(request.query.get('all_tenants'))
    // unlike Cinder, which leaves them out without a word
    if (all) requireAdmin(request, 'os_compute_api:servers:detail:get_all_tenants')
    const name = request.query.get('name')
    const servers = [...cloud.state.servers.values()]
      .filter((server) => all || server.projectId === request.caller.projectId)
      .filter((server) => name === null || server.name.includes(name))
    return { status: 200, body: { servers: servers.map((server) => shown(cloud, server, attachmentsOf(server.id))) } }
  }
  const create: Handler = (request) => {
    const asked = parseBody(createBody, request.body).server
    const server = addServer(cloud, {
      name: asked.name,
      projectId: request.caller.projectId,
      userId: request.caller.userId,
      metadata: asked.metadata ?? {},
    })
    return { status: 202, body: { server: { id: server.id, links: [], adminPass: 'unused' } } }
  }
  const attach: Handler = (request) => {
    const server = find(request)
    const asked = parseBody(attachBody, request.body).volumeAttachment
    const volume = findVolume(cloud, request, asked.volumeId)
    const attachment = reserveVolume(volume, server.id, 'null')
    const device = asked.device ?? `/dev/vd${String.fromCharCode(97 + attachmentsOf(server.id).length)}`
    later(cloud, 'volume.attach', {
      act: () => {
        connectVolume(cloud, request.caller, volume, attachment, {
          host: server.host,
          mountpoint: device,
          platform: 'x86_64',
          os_type: 'linux',
        })
        completeAttachment(cloud, request.caller, volume, attachment)
      },
      fail: () => {
        detachVolume(cloud, request.caller, volume, attachment)
      },
    })
    return {
      status: 200,
      body: { volumeAttachment: { id: volume.id, volumeId: volume.id, serverId: server.id, device } },
    }
  }
  const detach: Handler = (request) => {
    const server = find(request)
    const volumeId = request.params['volume'] ?? ''
    const volume = cloud.state.volumes.get(volumeId)
    const attachment = volume?.attachments.find((candidate) => candidate.serverId === server.id)
    if (volume === undefined || attachment === undefined) {
      throw new ApiError(404, `Instance ${server.id} is not attached to volume ${volumeId}`)
    }
    if (volume.status !== 'in-use') {
      throw new ApiError(
        400,
        `Invalid volume: Invalid input received: Invalid volume: Unable to detach volume. Volume status must be 'in-use' and attach_status must be 'attached' to detach.`,
      )
    }
    volume.status = 'detaching'
    later(cloud, 'volume.detach', {
      act: () => {
        detachVolume(cloud, request.caller, volume, attachment)
      },
      fail: () => {
        volume.status = 'in-use'
      },
    })
    return { status: 202 }
  }
  const attachments: Handler = (request) => ({
    status: 200,
    body: {
      volumeAttachments: attachmentsOf(find(request).id).map((attachment) => ({
        id: attachment.volumeId,
        volumeId: attachment.volumeId,
        serverId: attachment.serverId,
        device: attachment.device,
      })),
    },
  })
  const remove: Handler = (request) => {
    const server = find(request)
    for (const attachment of attachmentsOf(server.id)) {
      const volume = cloud.state.volumes.get(attachment.volumeId)
      if (volume !== undefined) detachVolume(cloud, request.caller, volume, attachment)
    }
    cloud.state.servers.delete(server.id)
    return { status: 204 }
  }
  return [
    ['GET', '/servers', list],
    ['GET', '/servers/detail', list],
    ['POST', '/servers', create],
    [
      'GET',
      '/servers/:id',
      (request) => {
        const server = find(request)
        return { status: 200, body: { server: shown(cloud, server, attachmentsOf(server.id)) } }
      },
    ],
    ['DELETE', '/servers/:id', remove],
    ['GET', '/servers/:id/os-volume_attachments', attachments],
    ['POST', '/servers/:id/os-volume_attachments', attach],
    ['DELETE', '/servers/:id/os-volume_attachments/:volume', detach],
    ['GET', '/flavors', () => ({ status: 200, body: { flavors: [flavor] } })],
    ['GET', '/flavors/detail', () => ({ status: 200, body: { flavors: [flavor] } })],
    [
      'GET',
      '/flavors/:id',
      (request) => {
        if (request.params['id'] !== flavor.id) throw notFound('Flavor', request.params['id'] ?? '')
        return { status: 200, body: { flavor } }
      },
    ],
  ]
}

const flavor = {
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

/** A server that is ACTIVE at once. */
export function addServer(
  cloud: Cloud,
  given: { name: string; projectId: string; userId: string; metadata: Record<string, string> },
): ServerRecord {
  const server: ServerRecord = {
    id: randomUUID(),
    status: 'ACTIVE',
    host: serviceHost,
    createdAt: `${databaseTime().slice(0, 19)}Z`,
    ...given,
  }
  cloud.state.servers.set(server.id, server)
  return server
}

const shown = (cloud: Cloud, server: ServerRecord, attachments: AttachmentRecord[]): unknown => ({
  id: server.id,
  name: server.name,
  status: server.status,
  tenant_id: server.projectId,
  user_id: server.userId,
  metadata: server.metadata,
  hostId: '',
  image: '',
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
  'OS-EXT-SRV-ATTR:host': server.host,
  'OS-EXT-SRV-ATTR:instance_name': `instance-${server.id.slice(0, 8)}`,
  'OS-EXT-SRV-ATTR:hypervisor_hostname': server.host,
  'OS-EXT-STS:task_state': null,
  'OS-EXT-STS:vm_state': 'active',
  'OS-EXT-STS:power_state': 1,
  'os-extended-volumes:volumes_attached': attachments.map(({ volumeId }) => ({ id: volumeId })),
  security_groups: [],
})
