import type { Volume } from '../openstack/cinder.js'
import type { Policy, VolumeFacts } from '../policy/policy.js'
import { volumeFacts } from '../policy/volume-facts.js'
import type { Cloud } from './open-cloud.js'

/**
 * What policies look at, of every volume of the cloud; servers' names only where a policy looks at them.
 * @param seen is given each volume as Cinder shows it
 */
export async function listFacts(
  { cinder, keystone, nova }: Cloud,
  policies: Policy[],
  seen: (volume: Volume) => void = () => undefined,
): Promise<VolumeFacts[]> {
  const asksForServers = policies.some(({ where }) => where.server !== undefined || where.exclude?.server !== undefined)
  const [listed, servers] = await Promise.all([
    keystone.listProjects(),
    asksForServers ? nova.serverNames() : Promise.resolve(null),
  ])
  const projects = new Map(listed?.map(({ id, name }) => [id, name]))
  const volumes: VolumeFacts[] = []
  for await (const volume of cinder.listVolumes({ allProjects: true })) {
    seen(volume)
    volumes.push(volumeFacts(volume, projects.get(volume.projectId) ?? null, servers ?? new Map()))
  }
  return volumes
}
