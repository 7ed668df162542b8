import type { Volume } from '../openstack/cinder.js'
import { orNull } from '../openstack/or-null.js'
import type { NovaDeps } from './nova-leftovers.js'
import { obstacleOf, type Obstacle } from './nova-way.js'

/** A server that has one of the volumes attached. */
export interface ServerOf {
  serverId: string
  name: string
  /** `ACTIVE`, `SHUTOFF`, … */
  status: string
  /** Which compute host runs it: its agent's queue. Null while it is not placed, and to those who are not admin. */
  hypervisor: string | null
  /** All that it has attached, in Nova's order. */
  volumeIds: string[]
  /** What keeps Nova from freezing it; null: Nova's way is open. */
  novaObstacle: Obstacle | null
}

export interface ServersOf {
  /** Those that Nova knows. */
  servers: ServerOf[]
  /**
   * Who has each of the volumes asked about attached, by Cinder's word, sorted: `none` for a host of Cinder's own, which is no server.
   * Nobody has one that Cinder no longer has.
   */
  attached: { volumeId: string; serverIds: string[] }[]
}

/** Which servers use the volumes, and how each can be frozen. Each server once, also when it has several of them. */
export async function serversOf(
  deps: Pick<NovaDeps, 'cinder' | 'nova'>,
  volumeIds: readonly string[],
): Promise<ServersOf> {
  const known = new Map<string, Volume>()
  const attached = await Promise.all(
    [...new Set(volumeIds)].map(async (volumeId) => {
      const volume = await orNull('CK-VOLUME-GONE', async () => deps.cinder.getVolume(volumeId))
      if (volume !== null) known.set(volumeId, volume)
      const serverIds = volume?.attachments.map(({ serverId }) => serverId ?? 'none') ?? []
      return { volumeId, serverIds: [...new Set(serverIds)].sort() }
    }),
  )
  const ids = new Set(attached.flatMap(({ serverIds }) => serverIds))
  ids.delete('none')
  const servers = await Promise.all([...ids].map(async (id) => serverOf(deps, id, known)))
  return { servers: servers.filter((one) => one !== null), attached }
}

async function serverOf(
  deps: Pick<NovaDeps, 'cinder' | 'nova'>,
  serverId: string,
  known: Map<string, Volume>,
): Promise<ServerOf | null> {
  const server = await orNull('CK-SERVER-GONE', async () => deps.nova.getServer(serverId))
  if (server === null) return null
  const volumes: Volume[] = []
  for (const id of server.volumeIds) {
    const volume = known.get(id) ?? (await orNull('CK-VOLUME-GONE', async () => deps.cinder.getVolume(id)))
    if (volume !== null) volumes.push(volume)
  }
  const { name, status, hypervisorHost: hypervisor, volumeIds } = server
  return { serverId, name, status, hypervisor, volumeIds, novaObstacle: obstacleOf(server, volumes) }
}
