import { z } from 'zod'
import { ApiError, cinderFault, notFound } from './api-error.js'
import { detachVolume, reserveVolume } from './attach.js'
import { parseBody } from './bodies.js'
import type { Cloud } from './cloud.js'
import { later } from './cloud.js'
import { findVolume, requireAdmin } from './find.js'
import { goOnWriting } from './guest.js'
import { findRoute, guarded } from './http.js'
import type { ApiRequest, Handler, Route, Service } from './http.js'
import { identify } from './keystone.js'
import { isTrue } from './listing.js'
import { notifyServer } from './nova-notify.js'
import { actionHandler } from './server-actions.js'
import { attachmentsOf } from './server-guest.js'
import { addServer, attachTo, flavor, nextDevice, shownServer } from './servers.js'
import type { ServerRecord } from './state.js'

/** Zed: 2.1 to 2.93. */
const newestMinor = 93
/** Nova's `[api] max_limit`. */
const maxLimit = 1000

/** As much of Nova's `/v2.1` as volumes and images of volume-backed servers need; mounted at `/compute`. */
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
          version: `2.${newestMinor}`,
          min_version: '2.1',
          updated: '2013-07-23T11:33:21Z',
          links: [{ rel: 'self', href: `${request.base}/v2.1/` }],
        }
        if (trimmed === '') return { status: 200, body: { versions: [version] } }
        if (trimmed === '/v2.1') return { status: 200, body: { version } }
        const caller = identify(cloud, request.headers, request.requestId)
        const found = findRoute(routes, request.method, trimmed.replace(/^\/v2\.1/, ''))
        if (found === undefined) throw new ApiError(404, 'The resource could not be found.')
        return found.route[2]({ ...request, params: found.params, caller, minor: minorOf(request.headers) })
      }),
  }
}

/** The minor number that `OpenStack-API-Version: compute 2.x` asks for; 1 without the header. @throws 406 */
function minorOf(headers: ApiRequest['headers']): number {
  const asked = /(?:^|,)\s*compute\s+(\S+)/.exec(headers['openstack-api-version']?.toString() ?? '')?.[1]
  if (asked === undefined) return 1
  if (asked === 'latest') return newestMinor
  const minor = Number(/^2\.(\d+)$/.exec(asked)?.[1] ?? NaN)
  if (minor >= 1 && minor <= newestMinor) return minor
  throw new ApiError(
    406,
    `Version ${asked} is not supported by the API. Minimum is 2.1 and maximum is 2.${newestMinor}.`,
  )
}

const device = z.looseObject({
  uuid: z.string(),
  source_type: z.literal('volume'),
  destination_type: z.literal('volume'),
  boot_index: z.union([z.number(), z.string()]).nullish(),
})
const createBody = z.object({
  server: z.looseObject({
    name: z.string(),
    metadata: z.record(z.string(), z.string()).optional(),
    imageRef: z.string().optional(),
    block_device_mapping_v2: z.array(device).optional(),
  }),
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
  const list: Handler = (request) => {
    const isAll = isTrue(request.query.get('all_tenants'))
    // unlike Cinder, which leaves them out without a word
    if (isAll) requireAdmin(request, 'os_compute_api:servers:detail:get_all_tenants')
    const name = request.query.get('name')
    const all = [...cloud.state.servers.values()]
      .filter((server) => isAll || server.projectId === request.caller.projectId)
      .filter((server) => name === null || server.name.includes(name))
      .toReversed()
    const marker = request.query.get('marker')
    const at = marker === null ? -1 : all.findIndex(({ id }) => id === marker)
    if (marker !== null && at < 0) throw new ApiError(400, `marker [${marker}] not found`)
    const limit = Math.min(Number(request.query.get('limit') ?? maxLimit), maxLimit)
    const servers = all.slice(at + 1, at + 1 + limit)
    const href = `${request.base}${request.path}?limit=${limit}&marker=${servers.at(-1)?.id ?? ''}`
    return {
      status: 200,
      body: {
        servers: servers.map((server) => shownServer(cloud, server, request.caller.isAdmin)),
        // Nova's, wherever a page is full
        ...(servers.length >= limit && servers.length > 0 ? { servers_links: [{ rel: 'next', href }] } : {}),
      },
    }
  }
  const create: Handler = (request) => {
    const asked = parseBody(createBody, request.body).server
    const bootIndex = (one: z.infer<typeof device>): number => Number(one.boot_index ?? Infinity)
    const reserved = (asked.block_device_mapping_v2 ?? [])
      .toSorted((one, other) => bootIndex(one) - bootIndex(other))
      .map(({ uuid }) => findVolume(cloud, request, uuid))
    const server = addServer(cloud, {
      name: asked.name,
      projectId: request.caller.projectId,
      userId: request.caller.userId,
      metadata: asked.metadata ?? {},
      ...(asked.imageRef === undefined ? {} : { imageRef: asked.imageRef }),
      ...(reserved.length > 0 ? { status: 'BUILD' } : {}),
    })
    notifyServer(cloud, request.caller, server, 'create.start')
    const attachments = reserved.map((volume) => ({ volume, attachment: reserveVolume(volume, server.id, 'null') }))
    const finish = (): void => {
      for (const { volume, attachment } of attachments) {
        attachTo(cloud, request.caller, server, volume, attachment, nextDevice(cloud, server))
      }
      server.status = 'ACTIVE'
      goOnWriting(server.guest)
      notifyServer(cloud, request.caller, server, 'create.end')
    }
    const fail = (): void => {
      server.status = 'ERROR'
    }
    if (attachments.length === 0) finish()
    else later(cloud, 'volume.attach', { act: finish, fail })
    return { status: 202, body: { server: { id: server.id, links: [], adminPass: 'unused' } } }
  }
  const attach: Handler = (request) => {
    const server = find(request)
    const asked = parseBody(attachBody, request.body).volumeAttachment
    const volume = findVolume(cloud, request, asked.volumeId)
    const attachment = reserveVolume(volume, server.id, 'null')
    const device = asked.device ?? nextDevice(cloud, server)
    later(cloud, 'volume.attach', {
      act: () => {
        attachTo(cloud, request.caller, server, volume, attachment, device)
        notifyServer(cloud, request.caller, server, 'volume.attach', { volume_id: volume.id })
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
        notifyServer(cloud, request.caller, server, 'volume.detach', { volume_id: volume.id })
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
      volumeAttachments: attachmentsOf(cloud, find(request).id).map((attachment) => ({
        id: attachment.volumeId,
        volumeId: attachment.volumeId,
        serverId: attachment.serverId,
        device: attachment.device,
      })),
    },
  })
  const remove: Handler = (request) => {
    const server = find(request)
    const { caller } = request
    notifyServer(cloud, caller, server, 'delete.start')
    notifyServer(cloud, caller, server, 'shutdown.start')
    for (const attachment of attachmentsOf(cloud, server.id)) {
      const volume = cloud.state.volumes.get(attachment.volumeId)
      if (volume !== undefined) detachVolume(cloud, caller, volume, attachment)
    }
    notifyServer(cloud, caller, server, 'shutdown.end')
    server.status = 'DELETED'
    cloud.state.servers.delete(server.id)
    notifyServer(cloud, caller, server, 'delete.end')
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
        return { status: 200, body: { server: shownServer(cloud, server, request.caller.isAdmin) } }
      },
    ],
    ['DELETE', '/servers/:id', remove],
    ['POST', '/servers/:id/action', actionHandler(cloud, find)],
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
