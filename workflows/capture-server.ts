import {
  CancellationScope,
  condition,
  getExternalWorkflowHandle,
  log,
  proxyActivities,
  setCurrentDetails,
  setHandler,
  uuid4,
  workflowInfo,
} from '@temporalio/workflow'
import type { ControlActivities } from '../activities/control-activities.js'
import type { Membership } from '../activities/find-members.js'
import { failureOf } from './failure-of.js'
import type { FreezeResult } from './freeze-messages.js'
import {
  type Captured,
  capturedSignal,
  groupId,
  type GroupMember,
  joinSignal,
  leaveSignal,
  type ServerHint,
  serverHintSignal,
  type ServerReport,
} from './server-messages.js'
import { releasing } from './release-archive.js'
import { novaLeft, novaName, releaseByNova } from './release-by-nova.js'
import { snapshotFrozen } from './snapshot-frozen.js'

const patience = {
  startToCloseTimeout: '1 minute',
  retry: { initialInterval: '1 second', backoffCoefficient: 2, maximumInterval: '30 seconds' },
} as const
const { findMembers, callMembers } = proxyActivities<Pick<ControlActivities, 'findMembers' | 'callMembers'>>({
  ...patience,
  scheduleToCloseTimeout: '2 minutes',
})
/** Nothing else finds what was missed of a server that was shut off; after a day it is too late for that. */
const { hintServer } = proxyActivities<Pick<ControlActivities, 'hintServer'>>({
  ...patience,
  scheduleToCloseTimeout: '1 day',
})

/** Those who were told by the same schedule come by themselves, one after the other. */
const comeByThemselves = '5 seconds'
/** Then the others are called; one whose last archive still writes cannot come soon. */
const calledWithin = '1 minute'

/**
 * Captures all volumes of a server that one policy protects under one freeze, for their archives: each joins when it is ready
 * to be captured, and is told its snapshot. It takes no lane, and ends when nobody waits for it. It also passes on what
 * notifications tell of the server to its volumes.
 */
export async function captureServer(): Promise<ServerReport> {
  const serverId = workflowInfo().workflowId.slice('server/'.length)
  const report: ServerReport = { captures: [] }
  const joined = new Map<string, GroupMember>()
  // what goes on beside captures, which do not wait for it
  const others = new Set<Promise<void>>()
  const beside = (doing: Promise<void>): void => {
    const other = doing.finally(() => others.delete(other))
    others.add(other)
  }
  setHandler(joinSignal, (member) => {
    joined.set(member.archive, member)
  })
  setHandler(leaveSignal, ({ archive }) => {
    joined.delete(archive)
  })
  setHandler(serverHintSignal, (hints) => {
    // at once: later the server may be gone, or run again
    for (const hint of hints) beside(CancellationScope.nonCancellable(async () => passOn(serverId, hint)))
  })
  // archives wait for it: they are answered whatever becomes of it
  await CancellationScope.nonCancellable(async () => {
    const isIdle = () => others.size === 0 && joined.size === 0
    while (!isIdle()) {
      if (joined.size > 0) await captureGroup(serverId, joined, { report, beside })
      else await condition(() => joined.size > 0 || isIdle())
    }
  })
  return report
}

async function passOn(serverId: string, hint: ServerHint): Promise<void> {
  const summary = `tell its volumes of ${hint.event}`
  await hintServer.executeWithOptions({ summary }, [{ serverId, hint }]).catch((error: unknown) => {
    log.warn('the volumes of a server could not be told', { serverId, reason: failureOf(error).message })
  })
}

async function captureGroup(
  serverId: string,
  joined: Map<string, GroupMember>,
  { report, beside }: { report: ServerReport; beside: (doing: Promise<void>) => void },
): Promise<void> {
  const capture = uuid4()
  const group = groupId(serverId, capture)
  const [first] = joined.values()
  if (first === undefined) return
  const { policy } = first
  const here = () => firstOfEach([...joined.values()].filter((one) => one.policy === policy))
  const { missing, known } = await gather(serverId, capture, policy, here)
  // whoever left meanwhile needs no answer
  const members = here()
  for (const { archive } of members) joined.delete(archive)
  if (members.length === 0) return
  show(group, members, ['Freezing, and taking the snapshots.'])
  const result = await snapshotFrozen(members)
  const reasons = [...missing, ...changed(serverId, result, known), ...result.reasons]
  const volumes = members.map(({ volumeId }) => volumeId).sort()
  report.captures.push({ group, members: volumes, frozen: result.frozen.length, reasons })
  show(group, members, reasons.length > 0 ? reasons : ['All were captured under one freeze.'])
  await Promise.all(
    members.map(async (member) => {
      if (!(await tell(member, { group, volumes, result, reasons }))) beside(releaseMember(member, result))
    }),
  )
}

/** Those of another policy, and a second archive of a volume, have a capture of their own, after this one. */
function firstOfEach(members: GroupMember[]): GroupMember[] {
  return members.filter((one, at) => members.findIndex(({ volumeId }) => volumeId === one.volumeId) === at)
}

/** What the server has, and nobody knew of when its volumes were called together. */
function changed(serverId: string, { servers }: FreezeResult, known: string[] | null): string[] {
  const has = servers.filter(({ id }) => id === serverId).flatMap(({ volumeIds }) => volumeIds)
  const strange = known === null ? [] : [...new Set(has)].filter((id) => !known.includes(id))
  return strange.map(
    (id) => `CK-QUIESCE-CHANGED  volume ${id} was attached while the server was captured, and is not in it`,
  )
}

/**
 * Waits for the other volumes that the policy protects.
 * @returns who did not come, in words, and all volumes that the server has; null where that cannot be told
 */
async function gather(
  serverId: string,
  capture: string,
  policy: string,
  here: () => GroupMember[],
): Promise<{ missing: string[]; known: string[] | null }> {
  let membership: Membership
  try {
    membership = await findMembers.executeWithOptions({ summary: 'which of its volumes the policy protects' }, [
      { serverId, policy },
    ])
  } catch (error) {
    return { missing: [failureOf(error).message], known: null }
  }
  const { members, leftOut, stale } = membership
  const known = [...[...members, ...leftOut].map(({ volumeId }) => volumeId), ...stale]
  const away = () => members.filter(({ volumeId }) => !here().some((one) => one.volumeId === volumeId))
  const areHere = () => away().length === 0 || here().length === 0
  const haveCome = await condition(areHere, comeByThemselves)
  // one that was called, or comes again after a failure, calls nobody
  if (!haveCome && here().some(({ calls }) => calls)) {
    const called = away()
    const summary = `call ${called.map(named).join(', ')}`
    show(groupId(serverId, capture), here(), [`Waiting for ${called.map(named).join(', ')}.`])
    try {
      await callMembers.executeWithOptions({ summary }, [
        { capture, volumeIds: called.map(({ volumeId }) => volumeId) },
      ])
      await condition(areHere, calledWithin)
    } catch (error) {
      return { missing: [failureOf(error).message], known }
    }
  }
  const missing = [
    ...away().map((one) => `CK-GROUP-INCOMPLETE  volume ${named(one)} of the server could not be captured with it now`),
    ...leftOut.map((one) => `Volume ${named(one)} of the server is not in it: policy ${policy} does not protect it.`),
  ]
  return { missing, known }
}

/** @returns false when the archive waits no longer */
async function tell(
  { archive, volumeId }: GroupMember,
  { group, volumes, result, reasons }: { group: string; volumes: string[]; result: FreezeResult; reasons: string[] },
): Promise<boolean> {
  const frozen = result.frozen.find((one) => one.volumeId === volumeId) ?? null
  // where some were frozen, the others are captured later, each by itself
  const together = result.frozen.length === 0 ? volumes : result.frozen.map((one) => one.volumeId).sort()
  const members = together.includes(volumeId) ? together : []
  const captured: Captured = { group, members, frozen, byNova: result.byNova, reasons }
  try {
    await getExternalWorkflowHandle(archive).signal(capturedSignal, captured)
    return true
  } catch (error) {
    // it was cancelled or terminated, and whoever cleaned up after it may have done so before the snapshot was taken
    log.info('an archive waits no longer', { archive, reason: String(error) })
    return false
  }
}

async function releaseMember(member: GroupMember, { byNova, reasons }: FreezeResult): Promise<void> {
  const { volumeId, archiveId } = member
  const capturedBy = byNova ? undefined : member.capturedBy
  const { releaseCapture } = proxyActivities<Pick<ControlActivities, 'releaseCapture'>>({
    ...(capturedBy !== undefined && { taskQueue: capturedBy.queue }),
    ...releasing,
    scheduleToCloseTimeout: '1 hour',
  })
  const place = capturedBy?.place
  const summary = `remove the snapshot of ${named(member)}, for which nobody waits any more`
  try {
    await releaseCapture.executeWithOptions({ summary }, [
      {
        ...{ volumeId, archiveId, snapshotId: null },
        ...(capturedBy !== undefined && { capturedBy, place, bases: [] }),
      },
    ])
    // what bears its name, and could not be removed at once
    if (reasons.some((reason) => reason.startsWith(novaLeft)))
      await releaseByNova({ imageName: novaName([archiveId]), volumes: [], settled: true })
  } catch (error) {
    // it says itself whose it is, and when it expired
    log.warn('the snapshot of a volume could not be removed', { volumeId, reason: failureOf(error).message })
  }
}

function show(group: string, members: GroupMember[], words: string[]): void {
  const lines = members.map((one) => `- ${named(one)}: \`${one.archive}\``)
  setCurrentDetails([`### capture \`${group}\``, ...words, lines.join('\n')].join('\n\n'))
}

function named({ name, volumeId }: { name: string; volumeId: string }): string {
  return name || volumeId
}
