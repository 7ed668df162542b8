import type { Config } from '../config/config.js'
import { CodedError } from '../errors/coded-error.js'
import type { Nova, Server } from '../openstack/nova.js'
import type { PolicyPlan } from '../policy/plan.js'
import { withTemporal } from './call-volume.js'
import type { Cli } from './context.js'
import { type Attached, type Freezing, freezes, freezingOf, isForced, unitsOf } from './freezing.js'

/** How a protected volume would be captured, were it now. */
export interface VolumeFreezing {
  by: Freezing['by']
  servers: Server[]
  /** The other volumes that are captured at the same moment: ids. */
  together: string[]
  /** A sentence for people where it is not frozen, or that cannot be told; with a code where there is one. */
  reason: string | null
}

const patienceSeconds = 3

/**
 * All servers by their ids, where one of the policies freezes. Where they cannot be listed those policies are warned of it,
 * and the rest of the plan stands.
 */
export async function serversToFreeze(nova: Nova, plans: PolicyPlan[]): Promise<Map<string, Server> | null> {
  const asking = plans.filter(({ policy }) => freezes(policy))
  if (asking.length === 0) return null
  const servers = new Map<string, Server>()
  try {
    for await (const server of nova.listServers()) servers.set(server.id, server)
    return servers
  } catch (error) {
    if (!(error instanceof CodedError)) throw error
    const warning = `Who would freeze its servers cannot be told: ${error.code}  ${error.message}.`
    for (const plan of asking) plan.warnings.push(warning)
    return null
  }
}

/**
 * On which hypervisors an agent serves; null, and a warning for those policies, where Temporal cannot be asked.
 * @param isThere it answered a moment ago
 */
export async function agentsFor(
  cli: Cli,
  config: Config,
  plans: PolicyPlan[],
  servers: ReadonlyMap<string, Server>,
  isThere: boolean,
): Promise<ReadonlyMap<string, boolean> | null> {
  const asking = plans.filter(({ policy }) => freezes(policy))
  const holders = asking.flatMap(({ protects }) => protects.flatMap(({ volume }) => volume.servers.map(({ id }) => id)))
  const hypervisors = new Set(holders.flatMap((id) => servers.get(id)?.hypervisorHost ?? []))
  if (hypervisors.size === 0) return new Map()
  const unasked = (why: string): null => {
    for (const plan of asking)
      plan.warnings.push(`Whether agents serve the hypervisors of its servers is not known: ${why}.`)
    return null
  }
  if (!isThere) return unasked('Temporal does not answer')
  const { agentsServing } = await import('./agents-serving.js')
  try {
    return await withTemporal(cli, config, async (client) => agentsServing(client, hypervisors), patienceSeconds)
  } catch (error) {
    if (!(error instanceof CodedError)) throw error
    return unasked(`${error.code}  ${error.message}`)
  }
}

/** By volume; of a policy that freezes nobody there is nothing. Pure. @param agents null: nobody was asked */
export function planFreezing(
  { policy, protects }: Pick<PolicyPlan, 'policy' | 'protects'>,
  attached: Attached,
  agents: ReadonlyMap<string, boolean> | null,
): Map<string, VolumeFreezing> {
  if (!freezes(policy)) return new Map()
  const volumes = protects.map(({ volume }) => volume)
  const units = unitsOf(policy, volumes)
  return new Map(
    volumes.map((volume): [string, VolumeFreezing] => {
      const unit = units.get(volume.id) ?? [volume.id]
      const freezing = freezingOf(volume.id, unit, attached, agents)
      const { by, servers } = freezing
      const together = unit.filter((id) => id !== volume.id)
      if (by !== 'detached' && isForced(policy, volume)) {
        const reason = 'Cinder takes the snapshots of `force` backups itself, later.'
        return [volume.id, { by: 'none', servers, together, reason }]
      }
      return [volume.id, { by, servers, together, reason: reasonOf(freezing, agents) }]
    }),
  )
}

function reasonOf({ by, servers, obstacle }: Freezing, agents: ReadonlyMap<string, boolean> | null): string | null {
  const nova = obstacle === null ? null : `${obstacle.code}  ${obstacle.reason}`
  if (by === 'unknown') {
    const without = nova === null ? 'Nova would freeze it' : `it is not frozen: ${nova}`
    return `Whether an agent serves ${hostsOf(servers)} is not known; without one ${without}.`
  }
  if (by !== 'none' || nova === null) return null
  // what an agent could not freeze either
  if (obstacle?.code.startsWith('CK-QUIESCE-') === true) return `${nova}.`
  const away = servers.filter(({ hypervisorHost: host }) => host === null || agents?.get(host) !== true)
  return `No agent serves ${hostsOf(away)}; ${nova}.`
}

/** The hypervisors of servers, as people read them. */
export function hostsOf(servers: Server[]): string {
  return [...new Set(servers.map(({ hypervisorHost }) => hypervisorHost ?? 'its hypervisor'))].join(', ')
}
