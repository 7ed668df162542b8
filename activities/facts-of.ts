import type { Volume } from '../openstack/cinder.js'
import type { Policy, VolumeFacts } from '../policy/policy.js'
import { volumeFacts } from '../policy/volume-facts.js'
import type { Deps } from './control-activities.js'

/** What policies look at, of a volume as Cinder shows it: with the names that Keystone and Nova know. */
export async function factsOf(
  { policies, projectName, serverName }: Pick<Deps, 'policies' | 'projectName' | 'serverName'>,
  volume: Volume,
): Promise<VolumeFacts> {
  const ids = asksForServers(policies) ? volume.attachments.flatMap(({ serverId }) => serverId ?? []) : []
  const names = await Promise.all(ids.map(async (id) => [id, await serverName(id)] as const))
  return volumeFacts(volume, await projectName(volume.projectId), new Map(names))
}

/** Nova is asked only where a policy looks at servers: no other needs it to be up. */
function asksForServers(policies: Policy[]): boolean {
  return policies.some(
    ({ protect, where }) => protect === 'servers' || where.server !== undefined || where.exclude?.server !== undefined,
  )
}
