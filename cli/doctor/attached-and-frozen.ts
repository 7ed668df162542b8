import type { Config } from '../../config/config.js'
import type { Cinder } from '../../openstack/cinder.js'
import type { Keystone } from '../../openstack/keystone.js'
import type { Nova } from '../../openstack/nova.js'
import { planPolicies } from '../../policy/plan.js'
import type { Policy } from '../../policy/policy.js'
import { volumeFacts } from '../../policy/volume-facts.js'
import { type Attached, freezes, isForced, type Unit, unitsOf } from '../freezing.js'
import { count } from '../words.js'
import { asManyAs } from './as-many-as.js'

/** What was seen of the cloud: attached volumes that policies freeze, and their servers. */
export interface Seen {
  attached: Attached
  wanted: { volumeId: string; unit: Unit; policy: Policy }[]
  /** What was not looked at; null: nothing. */
  leftOut: string | null
}

/**
 * Lists servers and attached volumes side by side, which takes a request for some hundreds of them, not one for each.
 * @param isLate asked with each of them: then what came until now has to do
 */
export async function attachedAndFrozen(
  { keystone, nova, cinder }: { keystone: Keystone; nova: Nova; cinder: Cinder },
  { policies, installation, internalProjectId }: Pick<Config, 'policies' | 'installation' | 'internalProjectId'>,
  isLate: () => boolean,
): Promise<Seen> {
  const [projects, listed, inUse] = await Promise.all([
    keystone.listProjects(),
    asManyAs(nova.listServers(), isLate),
    asManyAs(cinder.listVolumes({ allProjects: true, status: 'in-use' }), isLate),
  ])
  const projectNames = new Map(projects?.map(({ id, name }) => [id, name]))
  const serverNames = new Map(listed.found.map(({ id, name }) => [id, name]))
  const volumes = new Map(inUse.found.map((volume) => [volume.id, volume]))
  // which volume it boots from is told by all that it has
  const whole = listed.found.filter(({ volumeIds }) => inUse.isWhole || volumeIds.every((id) => volumes.has(id)))
  // what Nova is doing with it just now is over when an archive comes
  const servers = new Map(whole.map((server) => [server.id, { ...server, task: null }]))
  const facts = inUse.found.map((one) => volumeFacts(one, projectNames.get(one.projectId) ?? null, serverNames))
  const plan = planPolicies(facts, policies, installation, internalProjectId ?? undefined)
  const wanted = plan.policies.flatMap(({ policy, protects }) => {
    if (!freezes(policy)) return []
    const frozen = protects.map(({ volume }) => volume).filter((volume) => !isForced(policy, volume))
    return [...unitsOf(policy, frozen)].map(([volumeId, unit]) => ({ volumeId, unit, policy }))
  })
  const isWhole = listed.isWhole && inUse.isWhole
  const leftOut = isWhole
    ? null
    : `only ${count(servers.size, 'server')} and ${count(volumes.size, 'attached volume')} came in time: the others were not looked at`
  return { attached: { servers, volumes }, wanted, leftOut }
}
