import { ActivityCancellationType, isCancellation, proxyActivities } from '@temporalio/workflow'
import type { ControlActivities } from '../activities/control-activities.js'
import { failureOf } from './failure-of.js'
import type {
  FreezeMember,
  FreezePlan,
  FreezeResult,
  FreezeServer,
  FrozenSnapshot,
  SnapshotsTaken,
} from './freeze-messages.js'
import { snapshotByNova } from './snapshot-by-nova.js'
import { agentAway, underFreeze } from './under-freeze.js'

/** Guests stand still meanwhile. */
const takenWithin = '3 seconds'
/** Share of the limit: so much later than the snapshots must exist, who takes them must have said so. */
const toldWithin = 0.1

const { planFreeze } = proxyActivities<Pick<ControlActivities, 'planFreeze'>>({
  startToCloseTimeout: '1 minute',
  scheduleToCloseTimeout: '2 minutes',
  retry: { initialInterval: '1 second', backoffCoefficient: 2, maximumInterval: '30 seconds' },
})

/**
 * Takes the snapshots of volumes under one freeze of all servers that have them attached: by the agents of their hosts, or
 * by Nova where a host has none. What cannot be frozen is not captured here; the archive decides whether it takes what
 * else there is.
 */
export async function snapshotFrozen(members: FreezeMember[]): Promise<FreezeResult> {
  const volumeIds = members.map(({ volumeId }) => volumeId)
  try {
    const before = await plan(volumeIds)
    const [attached, away] = whoCanBe(members, before)
    const result = attached.length === 0 ? none([], before.servers) : await snapshotAttached(attached, before)
    return { ...result, reasons: [...away, ...result.reasons] }
  } catch (error) {
    return none([failureOf(error).message])
  }
}

/** Those that servers have attached which Nova knows; why the others cannot be frozen. */
function whoCanBe(members: FreezeMember[], { servers, attached }: FreezePlan): [FreezeMember[], string[]] {
  const isKnown = (id: string) => servers.some((server) => server.id === id)
  const serversOf = (volumeId: string) => attached.find((one) => one.volumeId === volumeId)?.serverIds ?? []
  const can = ({ volumeId }: FreezeMember) => serversOf(volumeId).length > 0 && serversOf(volumeId).every(isKnown)
  return [members.filter(can), members.filter((one) => !can(one)).map(({ volumeId }) => noServer(volumeId))]
}

/** One that cannot be frozen takes the freeze from no other that can. */
async function snapshotAttached(members: FreezeMember[], before: FreezePlan): Promise<FreezeResult> {
  const running = ofServers(members, before, ({ status }) => status === 'ACTIVE', notRunning)
  const served = ofServers(running.members, before, ({ hasAgent }) => hasAgent, noAgent)
  if (served.members.length === 0) return byNova(running.members, before, [...running.reasons, ...served.reasons])
  const others = [...running.reasons, ...served.reasons]
  const { servers, limitSeconds } = before
  const heldBy = (some: FreezeServer[]) =>
    served.members.filter(({ volumeId }) => holders(volumeId, before).every((server) => some.includes(server)))
  const { result, kept, reasons } = await underFreeze(allHolders(served.members, before), limitSeconds, {
    heldBy,
    act: async (some, withinMs) => snapshotTogether(some, { limitSeconds, withinMs }),
  })
  const isAway = result === null && reasons.every((reason) => reason.startsWith(agentAway))
  // one that died a moment ago was taken for alive
  if (isAway && others.length === 0) return byNova(served.members, before, reasons)
  // whoever cleans up must know of a snapshot that may still appear, whatever became of the freeze
  const { taken, failed } = result ?? { taken: [], failed: [] }
  const lasted = heldBy(kept)
  const lasting = taken.filter(({ volumeId }) => lasted.some((member) => member.volumeId === volumeId))
  if (lasting.length === 0) return none([...others, ...failed, ...reasons], servers)
  const still = await stillAttached(lasting, before, members)
  return { ...still, reasons: [...others, ...failed, ...reasons, ...still.reasons] }
}

/** Those all of whose servers are fit; why the others are not. */
function ofServers(
  members: FreezeMember[],
  plan: FreezePlan,
  isFit: (server: FreezeServer) => boolean,
  why: (server: FreezeServer) => string,
): { members: FreezeMember[]; reasons: string[] } {
  const unfit = allHolders(members, plan).filter((server) => !isFit(server))
  return {
    members: members.filter(({ volumeId }) => !holders(volumeId, plan).some((server) => unfit.includes(server))),
    reasons: unfit.map(why),
  }
}

/** The servers that have a volume attached. */
function holders(volumeId: string, { servers, attached }: FreezePlan): FreezeServer[] {
  const ids = attached.find((one) => one.volumeId === volumeId)?.serverIds ?? []
  return servers.filter(({ id }) => ids.includes(id))
}

/** Each once. */
function allHolders(members: FreezeMember[], plan: FreezePlan): FreezeServer[] {
  return [...new Set(members.flatMap(({ volumeId }) => holders(volumeId, plan)))]
}

async function byNova(members: FreezeMember[], before: FreezePlan, away: string[]): Promise<FreezeResult> {
  if (members.length === 0) return none(away, before.servers)
  const single = members.filter(({ volumeId }) => holders(volumeId, before).length === 1)
  const some = single.length > 0 ? single : members
  const shared = members
    .filter((member) => !some.includes(member))
    .map(
      ({ volumeId }) =>
        `CK-NOVA-SEVERAL-SERVERS  Nova freezes one server at a time, and several have ${volumeId} attached`,
    )
  const done = await snapshotByNova(some, allHolders(some, before), away)
  return { ...done, reasons: [...shared, ...done.reasons], servers: before.servers }
}

/** What came to be attached to another server meanwhile was not frozen there. */
async function stillAttached(
  taken: FrozenSnapshot[],
  before: FreezePlan,
  members: FreezeMember[],
): Promise<FreezeResult> {
  try {
    const after = await plan(members.map(({ volumeId }) => volumeId))
    const { frozen, reasons } = unchanged(taken, before, after)
    const servers = [...before.servers, ...after.servers]
    return { byNova: false, frozen, reasons, servers }
  } catch (error) {
    if (isCancellation(error)) throw error
    return none([failureOf(error).message], before.servers)
  }
}

const none = (reasons: string[], servers: FreezeServer[] = []): FreezeResult => ({
  ...{ frozen: [], byNova: false, reasons, servers },
})

async function plan(volumeIds: string[]): Promise<FreezePlan> {
  return planFreeze.executeWithOptions({ summary: 'which servers have it attached, and who can freeze them' }, [
    { volumeIds },
  ])
}

/** On each storage at the same time; the guests wait for nothing but that the snapshots exist. */
async function snapshotTogether(
  members: FreezeMember[],
  { limitSeconds, withinMs }: { limitSeconds: number; withinMs: number },
): Promise<SnapshotsTaken> {
  const queues = new Map<string | undefined, FreezeMember[]>()
  for (const member of members) {
    const queue = member.capturedBy?.queue
    queues.set(queue, [...(queues.get(queue) ?? []), member])
  }
  const all = await Promise.all(
    [...queues].map(async ([taskQueue, some]) => {
      const acts = proxyActivities<Pick<ControlActivities, 'snapshotTogether'>>({
        ...(taskQueue !== undefined && { taskQueue }),
        // one that died takes the freeze from no other; who prepared it a moment ago takes it at once, or is dead
        scheduleToCloseTimeout: withinMs + Math.floor(limitSeconds * 1000 * toldWithin),
        scheduleToStartTimeout: takenWithin,
        retry: { maximumAttempts: 1 },
        cancellationType: ActivityCancellationType.TRY_CANCEL,
      })
      const named = some.map(({ name, volumeId }) => name || volumeId).join(', ')
      try {
        return await acts.snapshotTogether.executeWithOptions({ summary: `snapshots of ${named}` }, [
          { members: some, withinMs },
        ])
      } catch (error) {
        if (isCancellation(error)) throw error
        const { message } = failureOf(error)
        // what is not known may exist
        return { taken: [], failed: [message.startsWith('CK-') ? message : `CK-UNEXPECTED  ${message}`] }
      }
    }),
  )
  return { taken: all.flatMap(({ taken }) => taken), failed: all.flatMap(({ failed }) => failed) }
}

function unchanged(taken: FrozenSnapshot[], before: FreezePlan, after: FreezePlan) {
  const serversOf = ({ attached }: FreezePlan, volumeId: string) =>
    attached.find((one) => one.volumeId === volumeId)?.serverIds.join(' ')
  const changed = taken.filter(({ volumeId }) => serversOf(before, volumeId) !== serversOf(after, volumeId))
  return {
    frozen: taken.filter((one) => !changed.includes(one)),
    reasons: changed.map(
      ({ volumeId }) => `CK-QUIESCE-CHANGED  volume ${volumeId} was attached or detached while it was captured`,
    ),
  }
}

function noAgent({ name, id, hypervisor }: FreezeServer): string {
  return `${agentAway}  no agent serves ${hypervisor ?? 'the hypervisor'} of server ${name || id}`
}

function noServer(volumeId: string): string {
  return `CK-QUIESCE-NO-SERVER  volume ${volumeId} is not attached to a server, or to one that Nova does not know`
}

function notRunning({ id, name, status }: FreezeServer): string {
  return `CK-QUIESCE-NOT-RUNNING  server ${name || id} is ${status}; only an ACTIVE one can be frozen`
}
