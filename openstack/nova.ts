/** Nova's servers, as far as a volume's consistency depends on them. */
import { z } from 'zod'
import { readAs } from './answer.js'
import { CloudError, isCloudError, type CloudErrorDetails } from './errors.js'
import { id, maybe, text } from './fields.js'
import type { MicroversionRange } from './microversion.js'
import { pages } from './pages.js'
import type { CloudSession } from './session.js'

export interface Server {
  id: string
  name: string
  /** `ACTIVE`, `SHUTOFF`, … */
  status: string
  /** Which compute host runs it; null to those who are not admin, and while it is not placed. */
  hypervisorHost: string | null
  volumeIds: string[]
  /** It has no image: it boots from a volume. */
  isVolumeBacked: boolean
  /** What Nova is doing with it, such as `powering-off`; null: nothing. */
  task: string | null
}

export interface Nova {
  /** @throws CloudError `CK-SERVER-GONE` */
  getServer(serverId: string): Promise<Server>
  /**
   * Nova's `createImage`. Of a volume-backed server it freezes the guest where the server's image properties say so, takes
   * snapshots of all volumes, has the guest thawed, and makes an image without bytes, before it answers (facts: Nova's
   * compute/api.py, `snapshot_volume_backed`; nothing is taken back when a step fails). Never repeated by itself.
   * @param wanted.metadata becomes properties of the image
   * @returns the image's id
   * @throws CloudError `CK-SERVER-GONE`; `CK-CLOUD-QUOTA` when the snapshots have no room: nothing was done;
   * `CK-CLOUD-ANSWER-LOST` when something may have been done, with Nova's own fault `computeFault` when it gave up
   */
  createImage(serverId: string, wanted: { name: string; metadata: Record<string, string> }): Promise<string>
  /** Those of all projects, newest first, each once. @throws CloudError `CK-CLOUD-FORBIDDEN` to those who are not admin */
  listServers(): AsyncIterable<Server>
  /** Null where there is no such server, or the identity may not see it. Remembered for five minutes. */
  serverName(serverId: string): Promise<string | null>
  /** Names of the servers of all projects by their ids; null where the identity may not list them. */
  serverNames(): Promise<Map<string, string> | null>
}

const rememberedMs = 300_000
/** Nova gives 1000 at most. */
const pageSize = 1000
/** With all that Nova knows of each, which takes it some milliseconds a server. */
const detailedPageSize = 200

const server = z
  .object({
    id,
    name: text,
    status: z.string().min(1),
    'OS-EXT-SRV-ATTR:hypervisor_hostname': maybe,
    // in every microversion; without it a server would look as if it had no volumes
    'os-extended-volumes:volumes_attached': z.array(z.object({ id })),
    // an empty text where there is none
    image: z.union([z.string(), z.object({ id })]).nullish(),
    'OS-EXT-STS:task_state': maybe,
  })
  .transform((raw): Server => ({
    id: raw.id,
    name: raw.name,
    status: raw.status,
    hypervisorHost: raw['OS-EXT-SRV-ATTR:hypervisor_hostname'],
    volumeIds: raw['os-extended-volumes:volumes_attached'].map((volume) => volume.id),
    isVolumeBacked: raw.image === '',
    task: raw['OS-EXT-STS:task_state'],
  }))
const oneServer = z.object({ server })

const names = z.object({ servers: z.array(z.object({ id, name: text })) })

/** From 2.45 (Pike) on the answer names the image; before that only a header did. */
const imageMicroversion: MicroversionRange = { least: '2.45', most: '2.45' }
const madeImage = z.object({ image_id: id })

/**
 * The lowest microversion (2.1) shows all that is needed, on every Nova.
 * @param clock milliseconds, for tests; without it the process's monotonic clock
 */
export function nova(session: CloudSession, clock: () => number = () => performance.now()): Nova {
  const remembered = new Map<string, { until: number; answer: Promise<string | null> }>()

  async function getServer(serverId: string): Promise<Server> {
    try {
      const answer = await session.request('compute', { method: 'GET', path: `/servers/${serverId}` })
      return readAs(oneServer, answer.body, answer.call).server
    } catch (error) {
      throw goneError(error, serverId) ?? error
    }
  }

  async function askName(serverId: string): Promise<string | null> {
    try {
      return (await getServer(serverId)).name
    } catch (error) {
      if (isCloudError(error, 'CK-SERVER-GONE', 'CK-CLOUD-FORBIDDEN')) return null
      throw error
    }
  }

  return {
    getServer,

    async createImage(serverId, wanted) {
      try {
        const answer = await session.request('compute', {
          method: 'POST',
          path: `/servers/${serverId}/action`,
          json: { createImage: wanted },
          microversion: imageMicroversion,
        })
        return readAs(madeImage, answer.body, answer.call).image_id
      } catch (error) {
        throw goneError(error, serverId) ?? quotaError(error) ?? error
      }
    },

    listServers() {
      const calls: Parameters<typeof pages>[0] = {
        async read(schema, request) {
          const answer = await session.request('compute', request)
          return readAs(schema, answer.body, answer.call)
        },
      }
      const query = { all_tenants: 1 }
      const path = '/servers/detail'
      return pages(calls, { name: 'servers', path, query, item: server, pageSize: detailedPageSize, service: 'Nova' })
    },

    serverName(serverId) {
      const known = remembered.get(serverId)
      if (known !== undefined && known.until >= clock()) return known.answer
      const answer = askName(serverId)
      remembered.set(serverId, { until: clock() + rememberedMs, answer })
      answer.catch(() => remembered.delete(serverId))
      return answer
    },

    async serverNames() {
      const found = new Map<string, string>()
      let marker: string | undefined
      for (;;) {
        const query = { all_tenants: 1, limit: pageSize, marker }
        try {
          const answer = await session.request('compute', { method: 'GET', path: '/servers', query })
          const { servers } = readAs(names, answer.body, answer.call)
          const before = found.size
          for (const one of servers) found.set(one.id, one.name)
          // a server that ignores the marker would be asked for ever
          if (servers.length === 0 || found.size === before) return found
          marker = servers.at(-1)?.id
        } catch (error) {
          if (isCloudError(error, 'CK-CLOUD-FORBIDDEN')) return null
          throw error
        }
      }
    },
  }
}

/** A proxy's 404 is not Nova's. */
function goneError(error: unknown, serverId: string): CloudError | undefined {
  if (!isCloudError(error, 'CK-CLOUD-NOT-FOUND') || error.fault !== 'itemNotFound') return undefined
  return new CloudError('CK-SERVER-GONE', `server ${serverId} does not exist`, detailsOf(error, 404))
}

/** Nova counts the snapshots before it does anything, and says 403 where Cinder says 413. */
function quotaError(error: unknown): CloudError | undefined {
  if (!isCloudError(error, 'CK-CLOUD-FORBIDDEN') || !/quota/i.test(error.said ?? '')) return undefined
  return new CloudError('CK-CLOUD-QUOTA', 'the quota is used up', detailsOf(error, 403))
}

function detailsOf({ method, path, requestId, fault, said }: CloudError, status: number): CloudErrorDetails {
  return { service: 'Nova', method, path, requestId, status, fault, said }
}
