import { obstacleError } from '../../activities/nova-way.js'
import { isCloudError } from '../../openstack/errors.js'
import { nova } from '../../openstack/nova.js'
import type { Policy } from '../../policy/policy.js'
import { quiesceQueue } from '../../workflows/quiesce-messages.js'
import { agentsServing } from '../agents-serving.js'
import { type Freezing, freezes, freezingOf, refusesUnfrozen } from '../freezing.js'
import { count } from '../words.js'
import { attachedAndFrozen, type Seen } from './attached-and-frozen.js'
import { CannotLook, fault, ok, skipped, warning, type Check, type Finding } from './check.js'
import type { DoctorContext } from './context.js'

/** Of the half minute that a check has; a request begun before may last some seconds more. Milliseconds. */
const listingMs = 12_000
/** Of hosts that have no agent, so many are told one by one, and as many servers of each are named. */
const hostsTold = 20
const serversNamed = 5

/**
 * Whether the servers that policies freeze can be frozen now: by an agent on each of their hypervisors, or by Nova. Nobody
 * is frozen for it, so a guest whose own agent is away is not found.
 */
export const quiesceCheck: Check = {
  name: 'quiesce',
  async run(context) {
    const { config, temporal, glance } = context
    const freezing = config.policies.filter(freezes)
    if (freezing.length === 0) throw new CannotLook('no policy freezes servers')
    const { client } = await temporal.need()
    const seen = await look(context)
    const [agents, novaIsShut] = await Promise.all([
      agentsServing(client, hypervisorsOf(seen)),
      glance.need().then(
        () => null,
        (error: unknown) => (error as Error).message,
      ),
    ])
    const volumes = seen.wanted.map(({ volumeId, unit, policy }) => ({
      policy,
      freezing: freezingOf(volumeId, unit, seen.attached, agents),
    }))
    const left = seen.leftOut === null ? [] : [skipped(seen.leftOut)]
    return [...judgeFreezing(volumes, agents, novaIsShut), ...left]
  },
}

async function look({ config, cloud, cinder }: DoctorContext): Promise<Seen> {
  const { session, keystone } = await cloud.need()
  const { cinder: calls } = await cinder.need()
  const until = performance.now() + listingMs
  try {
    return await attachedAndFrozen(
      { keystone, nova: nova(session), cinder: calls },
      config,
      () => performance.now() > until,
    )
  } catch (error) {
    if (!isCloudError(error, 'CK-CLOUD-FORBIDDEN')) throw error
    throw new CannotLook('the servers of all projects may not be listed (see nova)')
  }
}

/** Those that run a server with a volume that is to be frozen. */
function hypervisorsOf({ attached: { servers, volumes }, wanted }: Seen): Set<string> {
  const holders = wanted.flatMap(({ volumeId }) => volumes.get(volumeId)?.attachments ?? [])
  return new Set(holders.flatMap(({ serverId }) => servers.get(serverId ?? '')?.hypervisorHost ?? []))
}

/** What is to be frozen on one hypervisor. */
interface Host {
  /** Null: Nova does not say which. */
  name: string | null
  servers: Set<string>
  byNova: Set<string>
  /** Servers that nobody can freeze, and why Nova cannot. */
  shut: Map<string, NonNullable<Freezing['obstacle']> | null>
  /** Whose archives are refused, and whose are as after a crash. */
  refusing: Set<string>
  falling: Set<string>
}

/**
 * A finding for all hosts that are well, and one for each other.
 * @param agents whether one serves each hypervisor
 * @param novaIsShut why Nova freezes nobody, whatever the server; null: it may
 */
export function judgeFreezing(
  volumes: { policy: Pick<Policy, 'name' | 'consistency'>; freezing: Freezing }[],
  agents: ReadonlyMap<string, boolean>,
  novaIsShut: string | null,
): Finding[] {
  const hosts = new Map<string | null, Host>()
  for (const { policy, freezing } of volumes) {
    // what an agent would not help is none of its host's faults
    if (freezing.by === 'detached' || freezing.obstacle?.code.startsWith('CK-QUIESCE-') === true) continue
    for (const server of freezing.servers) {
      const host = hosts.get(server.hypervisorHost) ?? noneOn(server.hypervisorHost)
      hosts.set(host.name, host)
      const name = server.name || server.id
      host.servers.add(name)
      if (freezing.by === 'agent' || agents.get(host.name ?? '') === true) continue
      if (freezing.by === 'nova' && novaIsShut === null) host.byNova.add(name)
      else {
        host.shut.set(name, freezing.obstacle)
        const told = refusesUnfrozen(policy) ? host.refusing : host.falling
        told.add(policy.name)
      }
    }
  }
  const sorted = [...hosts.values()].sort((a, b) => (a.name ?? '').localeCompare(b.name ?? ''))
  if (sorted.length === 0) return [ok('no server that runs has volumes attached that policies freeze')]
  const isServed = ({ name }: Host) => name !== null && agents.get(name) === true
  const served = sorted.filter(isServed)
  const byNova = sorted.filter((host) => !isServed(host) && host.shut.size === 0)
  const wrong = sorted.filter(({ shut }) => shut.size > 0).sort((a, b) => rank(a) - rank(b))
  const told = wrong.slice(0, hostsTold).map((host) => unfrozen(host, novaIsShut))
  return [
    ...(served.length > 0 ? [ok(`agents serve ${listed(served)}`)] : []),
    ...(byNova.length > 0 ? [ok(`no agent serves ${listed(byNova)}: Nova freezes there`)] : []),
    ...told,
    ...rest(wrong.slice(hostsTold)),
  ]
}

function noneOn(name: string | null): Host {
  const [servers, byNova, refusing, falling] = [
    new Set<string>(),
    new Set<string>(),
    new Set<string>(),
    new Set<string>(),
  ]
  return { name, servers, byNova, shut: new Map(), refusing, falling }
}

/** Faults first. */
const rank = ({ refusing }: Host): number => (refusing.size > 0 ? 0 : 1)

function unfrozen(host: Host, novaIsShut: string | null): Finding {
  const names = [...host.shut.keys()]
  const tell = host.refusing.size > 0 ? fault : warning
  const [obstacle] = [...host.shut.values()].flatMap((one) => one ?? [])
  const nova = novaIsShut ?? (obstacle === undefined ? 'it cannot' : `${obstacle.code}  ${obstacle.reason}`)
  if (host.name === null) {
    return tell(
      'CK-CLOUD-FORBIDDEN',
      `Nova does not show which hypervisors run ${some(names)}, so no agent can be asked to freeze them${consequence(host)}`,
      "Give the identity the role admin, or allow os_compute_api:os-extended-server-attributes in Nova's policy.yaml.",
    )
  }
  const what = `no agent serves the queue ${quiesceQueue(host.name)}, and Nova cannot freeze ${some(names)} there either (${nova})`
  return tell('CK-QUIESCE-AGENT-AWAY', what + consequence(host), cureOf(host.name, obstacle))
}

function consequence({ refusing, falling }: Host): string {
  const parts = [
    ...(refusing.size > 0 ? [`archives of ${[...refusing].join(', ')} are refused`] : []),
    ...(falling.size > 0 ? [`archives of ${[...falling].join(', ')} are as after a crash`] : []),
  ]
  return `: ${parts.join(', ')}`
}

function cureOf(host: string, obstacle: Freezing['obstacle'] | undefined): string {
  const start =
    `Start \`cinderkeep run --role quiesce\` on ${host} (docs/quiesce.md). If it runs: is it the same temporal.address and namespace, ` +
    `and is "${host}" the name that it gives itself (quiesce.hypervisor)?`
  // the others' cure is the agent
  if (obstacle?.code !== 'CK-NOVA-QUIESCE-NOT-REQUIRED') return start
  return `${start}\nOr let Nova freeze: ${obstacleError({ ...obstacle, code: obstacle.code }).cure ?? ''}`
}

/** More hosts than anybody reads one by one. */
function rest(hosts: Host[]): Finding[] {
  if (hosts.length === 0) return []
  const tell = hosts.some(({ refusing }) => refusing.size > 0) ? fault : warning
  return [
    tell(
      'CK-QUIESCE-AGENT-AWAY',
      `no agent serves ${listed(hosts)} either, and Nova cannot freeze all servers there`,
      'Start `cinderkeep run --role quiesce` on each of them.',
    ),
  ]
}

function listed(hosts: Host[]): string {
  const named = hosts
    .slice(0, hostsTold)
    .map(({ name, servers }) => `${name ?? '?'} (${count(servers.size, 'server')})`)
  const more = hosts.length - named.length
  return `${named.join(', ')}${more > 0 ? ` and ${count(more, 'more hypervisor')}` : ''}`
}

function some(names: string[]): string {
  const more = names.length - serversNamed
  return `${names.slice(0, serversNamed).join(', ')}${more > 0 ? ` and ${count(more, 'more server')}` : ''}`
}
