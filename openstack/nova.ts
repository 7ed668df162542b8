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
}

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

/** The lowest microversion (2.1) shows all that is needed, on every Nova. */
export function nova(session: CloudSession): Nova {
  return {
    async getServer(serverId) {
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
    },
  }
}
