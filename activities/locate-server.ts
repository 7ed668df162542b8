import { orNull } from '../openstack/or-null.js'
import type { NovaDeps } from './nova-leftovers.js'

/** Where a server is, by Nova's word. */
export interface Location {
  /** `ACTIVE`, `MIGRATING`, `SHUTOFF`, … */
  status: string
  /** Null where it is not placed, or not shown. */
  hypervisor: string | null
}

/** Null: Nova has it no more. Asks Nova alone: whoever looks for a frozen guest must find it though Cinder is away. */
export function locateServer({ nova }: Pick<NovaDeps, 'nova'>) {
  return async ({ serverId }: { serverId: string }): Promise<Location | null> => {
    const server = await orNull('CK-SERVER-GONE', async () => nova.getServer(serverId))
    return server && { status: server.status, hypervisor: server.hypervisorHost }
  }
}
