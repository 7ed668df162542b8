/** Nova's servers, as far as a volume's consistency depends on them. */
import { z } from 'zod'
import { readAs } from './answer.js'
import { CloudError, isCloudError } from './errors.js'
import { id, maybe, text } from './fields.js'
import type { CloudSession } from './session.js'

export interface Server {
  id: string
  name: string
  /** `ACTIVE`, `SHUTOFF`, … */
  status: string
  /** Which compute host runs it; null to those who are not admin, and while it is not placed. */
  hypervisorHost: string | null
  volumeIds: string[]
}

export interface Nova {
  /** @throws CloudError `CK-SERVER-GONE` */
  getServer(serverId: string): Promise<Server>
  /** Null where there is no such server, or the identity may not see it. Remembered for five minutes. */
  serverName(serverId: string): Promise<string | null>
  /** Names of the servers of all projects by their ids; null where the identity may not list them. */
  serverNames(): Promise<Map<string, string> | null>
}

const rememberedMs = 300_000
/** Nova gives 1000 at most. */
const pageSize = 1000

const server = z.object({
  server: z
    .object({
      id,
      name: text,
      status: z.string().min(1),
      'OS-EXT-SRV-ATTR:hypervisor_hostname': maybe,
      // in every microversion; without it a server would look as if it had no volumes
      'os-extended-volumes:volumes_attached': z.array(z.object({ id })),
    })
    .transform((raw): Server => ({
      id: raw.id,
      name: raw.name,
      status: raw.status,
      hypervisorHost: raw['OS-EXT-SRV-ATTR:hypervisor_hostname'],
      volumeIds: raw['os-extended-volumes:volumes_attached'].map((volume) => volume.id),
    })),
})

const names = z.object({ servers: z.array(z.object({ id, name: text })) })

/**
 * The lowest microversion (2.1) shows all that is needed, on every Nova.
 * @param clock milliseconds, for tests; without it the process's monotonic clock
 */
export function nova(session: CloudSession, clock: () => number = () => performance.now()): Nova {
  const remembered = new Map<string, { until: number; answer: Promise<string | null> }>()

  async function getServer(serverId: string): Promise<Server> {
    try {
      const answer = await session.request('compute', { method: 'GET', path: `/servers/${serverId}` })
      return readAs(server, answer.body, answer.call).server
    } catch (error) {
      // a proxy's 404 is not Nova's
      if (isCloudError(error, 'CK-CLOUD-NOT-FOUND') && error.fault === 'itemNotFound') {
        throw new CloudError('CK-SERVER-GONE', `server ${serverId} does not exist`, {
          service: 'Nova',
          method: error.method,
          path: error.path,
          requestId: error.requestId,
          status: 404,
          fault: error.fault,
          said: error.said,
        })
      }
      throw error
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
