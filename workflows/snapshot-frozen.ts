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
  const { result, wasFrozen, reasons } = await underFreeze(holders(served.members, before), limitSeconds, async () =>
    snapshotTogether(served.members, limitSeconds),
  )
  // whoever cleans up must know of a snapshot that may still appear, whatever became of the freeze
  const failed = result?.failed ?? []
  if (result !== null && wasFrozen) {
    const { frozen, reasons: changed, ...rest } = await stillAttached(result, before, members)
    return { ...rest, frozen, reasons: [...others, ...changed] }
  }
  const isAway = reasons.every((reason) => reason.startsWith(agentAway))
  // one that died a moment ago was taken for alive
  if (isAway && others.length === 0) return byNova(served.members, before, reasons)
  return none([...others, ...failed, ...reasons], servers)
}

/** Those all of whose servers are fit; why the others are not. */
function ofServers(
  members: FreezeMember[],
  plan: FreezePlan,
  isFit: (server: FreezeServer) => boolean,
  why: (server: FreezeServer) => string,
): { members: FreezeMember[]; reasons: string[] } {
  const unfit = holders(members, plan).filter((server) => !isFit(server))
  return {
    members: members.filter((member) => !holders([member], plan).some((server) => unfit.includes(server))),
    reasons: unfit.map(why),
  }
}

/** The servers that have one of them attached. */
function holders(members: FreezeMember[], { servers, attached }: FreezePlan): FreezeServer[] {
  const ids = attached.filter(({ volumeId }) => members.some((one) => one.volumeId === volumeId))
  return servers.filter(({ id }) => ids.some(({ serverIds }) => serverIds.includes(id)))
}

async function byNova(members: FreezeMember[], before: FreezePlan, away: string[]): Promise<FreezeResult> {
  if (members.length === 0) return none(away, before.servers)
  const single = members.filter((member) => holders([member], before).length === 1)
  const some = single.length > 0 ? single : members
  const shared = members
    .filter((member) => !some.includes(member))
    .map(
      ({ volumeId }) =>
        `CK-NOVA-SEVERAL-SERVERS  Nova freezes one server at a time, and several have ${volumeId} attached`,
    )
  const done = await snapshotByNova(some, holders(some, before), away)
  return { ...done, reasons: [...shared, ...done.reasons], servers: before.servers }
}

/** What came to be attached to another server meanwhile was not frozen there. */
async function stillAttached(
  { taken, failed }: SnapshotsTaken,
  before: FreezePlan,
  members: FreezeMember[],
): Promise<FreezeResult> {
  try {
    const after = await plan(members.map(({ volumeId }) => volumeId))
    const { frozen, reasons } = unchanged(taken, before, after)
    const servers = [...before.servers, ...after.servers]
    return { byNova: false, frozen, reasons: [...failed, ...reasons], servers }
  } catch (error) {
    if (isCancellation(error)) throw error
    return none([...failed, failureOf(error).message], before.servers)
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
async function snapshotTogether(members: FreezeMember[], limitSeconds: number): Promise<SnapshotsTaken> {
  const queues = new Map<string | undefined, FreezeMember[]>()
  for (const member of members) {
    const queue = member.capturedBy?.queue
    queues.set(queue, [...(queues.get(queue) ?? []), member])
  }
  const all = await Promise.all(
    [...queues].map(async ([taskQueue, some]) => {
      const acts = proxyActivities<Pick<ControlActivities, 'snapshotTogether'>>({
        ...(taskQueue !== undefined && { taskQueue }),
        // beyond it the guests are thawed anyway; who prepared it a moment ago takes it at once, or is dead
        scheduleToCloseTimeout: `${limitSeconds} seconds`,
        scheduleToStartTimeout: takenWithin,
        retry: { maximumAttempts: 1 },
        cancellationType: ActivityCancellationType.TRY_CANCEL,
      })
      const named = some.map(({ name, volumeId }) => name || volumeId).join(', ')
      try {
        return await acts.snapshotTogether.executeWithOptions({ summary: `snapshots of ${named}` }, [{ members: some }])
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
