/** How volumes would be frozen, told from what Cinder, Nova and Temporal show; pure. */
import { type AttachedVolume, type Obstacle, obstacleOf } from '../activities/nova-way.js'
import type { Server } from '../openstack/nova.js'
import type { Policy, VolumeFacts } from '../policy/policy.js'

/** What the cloud shows of attached volumes and of the servers that have them. */
export interface Attached {
  servers: ReadonlyMap<string, Server>
  volumes: ReadonlyMap<string, AttachedVolume>
}

/** Volumes that are captured at the same moment: of one server, or one by itself. */
export type Unit = readonly string[]

export interface Freezing {
  /**
   * `detached`: nothing writes to it, so nobody is frozen. `unknown`: nobody was asked whether an agent is there; an
   * obstacle then says why Nova could not.
   */
  by: 'agent' | 'nova' | 'none' | 'detached' | 'unknown'
  /** All that must be frozen for it at once. */
  servers: Server[]
  /** Why nobody, or only an agent, can freeze them. */
  obstacle: { code: Obstacle['code'] | OwnCode; reason: string } | null
}

/** Those that workflows say. */
type OwnCode = 'CK-QUIESCE-NO-SERVER' | 'CK-QUIESCE-NOT-RUNNING' | 'CK-NOVA-SEVERAL-SERVERS'

/** Whether guests may be frozen for its archives. */
export const freezes = ({ consistency }: Pick<Policy, 'consistency'>): boolean => consistency.prefer.includes('frozen')

/** Whether its archives fail where nobody can be frozen, rather than be as after a crash. */
export const refusesUnfrozen = ({ consistency: { prefer, require } }: Pick<Policy, 'consistency'>): boolean =>
  !prefer.includes('crash') || require !== 'crash'

/** All its copies are such that Cinder makes a snapshot of its own for each, at some other moment. */
export function isForced({ copies }: Pick<Policy, 'copies'>, { sizeGib }: Pick<VolumeFacts, 'sizeGib'>): boolean {
  return copies.every(({ force }) => force !== null && force.window === null && sizeGib <= force.maxSizeGib)
}

/** With which of a policy's volumes each is captured. @param volumes those that it protects */
export function unitsOf(
  { protect }: Pick<Policy, 'protect'>,
  volumes: Pick<VolumeFacts, 'id' | 'servers'>[],
): Map<string, Unit> {
  if (protect === 'volumes') return new Map(volumes.map(({ id }) => [id, [id]]))
  const ofServer = new Map<string, string[]>()
  for (const { id, servers } of volumes) {
    for (const server of new Set(servers.map((one) => one.id))) {
      ofServer.set(server, [...(ofServer.get(server) ?? []), id])
    }
  }
  return new Map(
    volumes.map(({ id, servers }) => {
      // the one that `assess` names
      const [first] = servers.map((one) => one.id).sort()
      return [id, (first === undefined ? undefined : ofServer.get(first)) ?? [id]]
    }),
  )
}

/**
 * Who would freeze the servers of a volume if it were captured now, as the workflows decide it: agents where each of its
 * hypervisors has one, else Nova.
 * @param agents whether one serves each hypervisor; null: nobody was asked
 */
export function freezingOf(
  volumeId: string,
  unit: Unit,
  { servers: known, volumes }: Attached,
  agents: ReadonlyMap<string, boolean> | null,
): Freezing {
  const holders = (id: string) => [...new Set(volumes.get(id)?.attachments.map(({ serverId }) => serverId))]
  const isKnown = (id: string) => holders(id).every((serverId) => serverId !== null && known.has(serverId))
  const none = (code: OwnCode, reason: string, servers: Server[] = []): Freezing => ({
    ...{ by: 'none', servers, obstacle: { code, reason } },
  })
  if (holders(volumeId).length === 0) return { by: 'detached', servers: [], obstacle: null }
  if (!isKnown(volumeId)) {
    return none('CK-QUIESCE-NO-SERVER', `volume ${volumeId} is attached to something that is no server of Nova's`)
  }
  const ids = new Set(unit.filter(isKnown).flatMap(holders))
  const servers = [...ids].flatMap((id) => known.get(id ?? '') ?? [])
  if (servers.every(({ status }) => status === 'SHUTOFF')) return { by: 'detached', servers, obstacle: null }
  const idle = servers.find(({ status }) => status !== 'ACTIVE')
  if (idle !== undefined) {
    const reason = `server ${idle.name || idle.id} is ${idle.status}; only an ACTIVE one can be frozen`
    return none('CK-QUIESCE-NOT-RUNNING', reason, servers)
  }
  if (servers.every(({ hypervisorHost: host }) => host !== null && agents?.get(host) === true)) {
    return { by: 'agent', servers, obstacle: null }
  }
  const obstacle = novaObstacle(servers, volumes)
  if (agents === null) return { by: 'unknown', servers, obstacle }
  return { by: obstacle === null ? 'nova' : 'none', servers, obstacle }
}

function novaObstacle(servers: Server[], volumes: Attached['volumes']): Freezing['obstacle'] {
  const [server] = servers
  if (server === undefined || servers.length > 1) {
    const names = servers.map(({ id, name }) => name || id).join(', ')
    return { code: 'CK-NOVA-SEVERAL-SERVERS', reason: `Nova freezes one server at a time, and it would be ${names}` }
  }
  const attached = server.volumeIds.flatMap((id) => volumes.get(id) ?? [])
  return obstacleOf(server, attached)
}
