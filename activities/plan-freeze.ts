import type { FreezePlan, FreezeServer } from '../workflows/freeze-messages.js'
import type { Deps } from './control-activities.js'
import { type ServerOf, serversOf } from './servers-of.js'

/** Which servers have volumes attached, as Cinder and Nova show them now, and who can freeze each. */
export function planFreeze(deps: Pick<Deps, 'cinder' | 'nova' | 'agentServes' | 'freezeLimitSeconds'>) {
  return async ({ volumeIds }: { volumeIds: string[] }): Promise<FreezePlan> => {
    const { servers, attached } = await serversOf(deps, volumeIds)
    const known = await Promise.all(servers.map(async (server) => whoFreezes(deps, server)))
    return { servers: known, attached, limitSeconds: deps.freezeLimitSeconds }
  }
}

async function whoFreezes(
  { agentServes }: Pick<Deps, 'agentServes'>,
  { serverId: id, name, status, hypervisor, volumeIds, novaObstacle }: ServerOf,
): Promise<FreezeServer> {
  const byNova: FreezeServer['byNova'] =
    novaObstacle === null
      ? { isPossible: true }
      : { isPossible: false, reason: `${novaObstacle.code}  ${novaObstacle.reason}` }
  const hasAgent = hypervisor !== null && (await agentServes(hypervisor))
  return { id, name, status, hypervisor, hasAgent, byNova, volumeIds }
}
