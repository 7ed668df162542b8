/** All volumes of a server under one freeze: each archive joins, and is told its own snapshot. */
import { randomUUID } from 'node:crypto'
import { afterEach, beforeEach, expect, it } from 'vitest'
import type { FreezeServer } from '../../workflows/freeze-messages.js'
import { type CapturedBy, outcomeQuery } from '../../workflows/messages.js'
import { serverWorkflowId } from '../../workflows/server-messages.js'
import { refusal } from '../helpers/fake-agent.js'
import { serverRig, type ServerRig } from '../helpers/server-rig.js'
import { eventually, gate } from '../helpers/workflow-rig.js'

let bench: ServerRig
let { rig, agent, serverId, other, begin, report } = {} as ServerRig
beforeEach(async () => {
  bench = await serverRig()
  ;({ rig, agent, serverId, other, begin, report } = bench)
})
afterEach(async () => bench.close())

it('are captured together when all have come, and each copy knows the others', async () => {
  const archives = [await begin(rig.volumeId), await begin(other)]
  const outcomes = await Promise.all(archives.map((archive) => archive.result()))
  expect(agent.told).toEqual([`freeze ${serverId}`, 'snapshots 2', `thaw ${serverId}`])
  const members = [rig.volumeId, other].sort()
  for (const { capture, freezing } of outcomes) {
    expect({ consistency: capture?.consistency, freezing, members: capture?.members }).toEqual({
      ...{ consistency: 'frozen', freezing: [], members },
    })
  }
  expect(new Set(outcomes.map(({ capture }) => capture?.group)).size).toBe(1)
  expect(outcomes[0]?.capture?.group).toMatch(new RegExp(`^${serverId}/`))
  expect((await report()).captures).toMatchObject([{ members, frozen: 2, reasons: [] }])
  // each has the snapshot of its own names
  expect(outcomes.map(({ archiveId }) => `snap-${archiveId}`)).toEqual(outcomes.map((one) => one.capture?.snapshotId))
  expect(rig.named('callMembers')).toEqual([])
})

it('are called when the first one comes', async () => {
  rig.acts.callMembers = async ({ volumeIds }) => {
    for (const volumeId of volumeIds) await begin(volumeId, { calls: false })
  }
  const { capture } = await (await begin(rig.volumeId)).result()
  expect(capture).toMatchObject({ consistency: 'frozen', members: [rig.volumeId, other].sort() })
  expect(rig.named('callMembers')).toMatchObject([{ request: { volumeIds: [other] } }])
})

it('are captured without one that does not come, which is told; one that comes late calls nobody', async () => {
  const { capture, freezing } = await (await begin(rig.volumeId)).result()
  expect(capture).toMatchObject({ consistency: 'frozen', members: [rig.volumeId] })
  expect(freezing?.[0]).toContain('CK-GROUP-INCOMPLETE  volume log')
  const second = await (await begin(other, { calls: false })).result()
  expect(second.capture).toMatchObject({ consistency: 'frozen', members: [other] })
  expect(rig.named('callMembers')).toHaveLength(1)
})

it('are of one group, and not frozen, when the server cannot be frozen', async () => {
  agent.acts.freezeServer = async () => Promise.reject(refusal('CK-QUIESCE-NO-AGENT'))
  const archives = [await begin(rig.volumeId), await begin(other)]
  const outcomes = await Promise.all(archives.map((archive) => archive.result()))
  for (const { capture, freezing } of outcomes) {
    expect(capture?.consistency).toBe('crash')
    expect(freezing).toEqual(['CK-QUIESCE-NO-AGENT  a test'])
  }
  expect(outcomes[0]?.capture?.group).toBe(outcomes[1]?.capture?.group)
})

it('keep what was frozen when the snapshot of one fails', async () => {
  const { snapshotTogether } = rig.acts
  rig.acts.snapshotTogether = async ({ members, ...rest }) => {
    const { taken } = await snapshotTogether({ ...rest, members: members.filter(({ volumeId }) => volumeId !== other) })
    return { taken, failed: ['CK-SNAPSHOT-FAILED  a test'] }
  }
  const archives = [await begin(rig.volumeId), await begin(other)]
  const [good, bad] = await Promise.all(archives.map((archive) => archive.result()))
  expect(good?.capture).toMatchObject({ consistency: 'frozen', members: [rig.volumeId] })
  // of the group, and of another moment
  expect(bad?.capture).toMatchObject({ consistency: 'crash', group: good?.capture?.group })
  expect(bad?.capture?.members).toBeUndefined()
  expect(bad?.freezing).toEqual(['CK-SNAPSHOT-FAILED  a test'])
})

it('keep what was frozen when whoever takes the snapshot of one dies: the guest does not wait for it until its limit', async () => {
  const plan = rig.acts.planFreeze
  rig.acts.planFreeze = async (request) => ({ ...(await plan(request)), limitSeconds: 20 })
  const dead = gate()
  const { snapshotTogether } = rig.acts
  rig.acts.snapshotTogether = async (request) => {
    if (request.members.some(({ volumeId }) => volumeId === other)) await dead.opened
    return snapshotTogether(request)
  }
  let limit: NodeJS.Timeout | undefined
  let isOver = false
  agent.acts.freezeServer = async () => {
    limit = setTimeout(() => (isOver = true), 20_000)
    return { filesystems: 1 }
  }
  agent.acts.thawServer = async () => ({ kept: !isOver, reason: null, heldMs: 1 })
  const place = { volumeId: other, host: 'cinder@ceph#ceph', nameId: null }
  const capturedBy: CapturedBy = { maker: 'rbd', queue: rig.taskQueue, seconds: 1764090000, place }
  const archives = [await begin(rig.volumeId), await begin(other, {}, { capturedBy })]
  // before it ends it waits for what may still appear
  const good = await eventually('it is captured', async () => {
    const outcome = await archives[0]?.query(outcomeQuery)
    return outcome?.capture != null && outcome
  })
  clearTimeout(limit)
  expect(good.capture).toMatchObject({ consistency: 'frozen', members: [rig.volumeId] })
  expect(good.freezing).toEqual([expect.stringContaining('CK-TIMED-OUT')])
  dead.open()
  await report()
})

/** A second server has the other volume attached as well. */
function sharedWith(second: FreezeServer, limit = 30): void {
  const plan = rig.acts.planFreeze
  rig.acts.planFreeze = async (request) => {
    const { servers, attached } = await plan(request)
    const shared = attached.map((one) =>
      one.volumeId === other ? { ...one, serverIds: [...one.serverIds, second.id].sort() } : one,
    )
    return { servers: [...servers, second], attached: shared, limitSeconds: limit }
  }
}

/** Of the volume that this server alone has, and of the shared one. */
async function archivedBoth() {
  const archives = [await begin(rig.volumeId), await begin(other)]
  const [alone, shared] = await Promise.all(archives.map((archive) => archive.result()))
  return { alone, shared }
}

it('are frozen without one that another server has too, which is off', async () => {
  sharedWith(agent.server({ id: randomUUID(), status: 'SHUTOFF' }))
  const { alone, shared } = await archivedBoth()
  expect(alone?.capture).toMatchObject({ consistency: 'frozen', members: [rig.volumeId] })
  expect(shared?.capture).toMatchObject({ consistency: 'crash' })
  expect(shared?.freezing?.[0]).toContain('CK-QUIESCE-NOT-RUNNING')
  expect(agent.told).toEqual([`freeze ${serverId}`, 'snapshots 1', `thaw ${serverId}`])
})

it('are frozen without one that another server has too, which cannot be frozen when it comes to it', async () => {
  const second = agent.server({ id: randomUUID() })
  sharedWith(second)
  agent.acts.freezeServer = async ({ serverId: id }) => {
    if (id === second.id) throw refusal('CK-QUIESCE-NO-AGENT')
    return { filesystems: 1 }
  }
  const { alone, shared } = await archivedBoth()
  expect(alone?.capture).toMatchObject({ consistency: 'frozen', members: [rig.volumeId] })
  expect(shared?.capture).toMatchObject({ consistency: 'crash' })
  expect(shared?.freezing).toEqual(['CK-QUIESCE-NO-AGENT  a test'])
  expect(agent.told).toContain('snapshots 1')
  expect(agent.told).toContain(`thaw ${second.id}`)
})

it('are frozen without one that another server has too, whose freeze does not last', async () => {
  const second = agent.server({ id: randomUUID() })
  sharedWith(second)
  const reason = { code: 'CK-QUIESCE-CUT-SHORT', message: 'CK-QUIESCE-CUT-SHORT  a test' }
  agent.acts.thawServer = async ({ serverId: id }) =>
    id === second.id ? { kept: false, reason, heldMs: 1 } : { kept: true, reason: null, heldMs: 1 }
  const { alone, shared } = await archivedBoth()
  expect(alone?.capture).toMatchObject({ consistency: 'frozen', members: [rig.volumeId] })
  expect(shared?.capture).toMatchObject({ consistency: 'crash' })
  expect(shared?.freezing).toEqual([reason.message])
})

it('are frozen without one that another server has too, whose guest hangs, and do not wait for it', async () => {
  const second = agent.server({ id: randomUUID() })
  sharedWith(second, 10)
  const givenUp = gate()
  agent.acts.freezeServer = async ({ serverId: id }) => {
    if (id === second.id) await givenUp.opened
    return { filesystems: 1 }
  }
  const reason = { code: 'CK-QUIESCE-NOT-FROZEN', message: 'the thaw came before the guest was frozen' }
  agent.acts.thawServer = async ({ serverId: id }) => {
    if (id === serverId) return { kept: true, reason: null, heldMs: 1 }
    givenUp.open()
    return { kept: false, reason, heldMs: null }
  }
  const { alone, shared } = await archivedBoth()
  expect(alone?.capture).toMatchObject({ consistency: 'frozen', members: [rig.volumeId] })
  expect(shared?.capture).toMatchObject({ consistency: 'crash' })
  expect(shared?.freezing).toEqual([expect.stringMatching(/^CK-QUIESCE-TOO-LATE {2}server web was not frozen in time/)])
})

it('are frozen without one that another server has too, on a host whose agent has just died', async () => {
  sharedWith(agent.server({ id: randomUUID(), hypervisor: 'nobody-is-there' }), 10)
  const { alone, shared } = await archivedBoth()
  expect(alone?.capture).toMatchObject({ consistency: 'frozen', members: [rig.volumeId] })
  expect(shared?.capture).toMatchObject({ consistency: 'crash' })
  expect(agent.told).toEqual([`freeze ${serverId}`, 'snapshots 1', `thaw ${serverId}`])
})

it('have one archive each in a capture; a second one of the same volume has the next', async () => {
  const haveJoined = gate()
  rig.acts.findMembers = async () => {
    await haveJoined.opened
    return { members: [{ volumeId: rig.volumeId, name: 'db' }], leftOut: [], stale: [] }
  }
  const twice = [await begin(rig.volumeId), await begin(rig.volumeId)]
  await eventually('both have joined', async () => (await signals()) === 2)
  haveJoined.open()
  const outcomes = await Promise.all(twice.map((archive) => archive.result()))
  expect(outcomes.map(({ capture }) => capture?.consistency)).toEqual(['frozen', 'frozen'])
  const taken = outcomes.map(({ capture }) => capture?.snapshotId)
  expect(taken).toEqual(outcomes.map(({ archiveId }) => `snap-${archiveId}`))
  const { captures } = await report()
  expect(captures.map(({ members }) => members)).toEqual([[rig.volumeId], [rig.volumeId]])
})

it('tell of a volume that was attached meanwhile, and is not among them', async () => {
  const late = randomUUID()
  let looks = 0
  const plan = rig.acts.planFreeze
  rig.acts.planFreeze = async (request) => {
    const { servers, ...rest } = await plan(request)
    looks += 1
    const volumeIds = [rig.volumeId, other, ...(looks > 1 ? [late] : [])]
    return { servers: servers.map((server) => ({ ...server, volumeIds })), ...rest }
  }
  const archives = [await begin(rig.volumeId), await begin(other)]
  const [outcome] = await Promise.all(archives.map((archive) => archive.result()))
  expect(outcome?.capture).toMatchObject({ consistency: 'frozen', members: [rig.volumeId, other].sort() })
  expect(outcome?.freezing).toEqual([expect.stringMatching(new RegExp(`^CK-QUIESCE-CHANGED {2}volume ${late}`))])
})

it('of another policy are captured after it, by themselves', async () => {
  const first = await begin(rig.volumeId, {}, { policy: 'all' })
  const second = await begin(other, {}, { policy: 'others' })
  rig.acts.findMembers = async ({ policy }) => ({
    members: [policy === 'all' ? { volumeId: rig.volumeId, name: 'db' } : { volumeId: other, name: 'log' }],
    leftOut: [],
    stale: [],
  })
  const outcomes = await Promise.all([first.result(), second.result()])
  expect(outcomes.map(({ capture }) => capture?.members)).toEqual([[rig.volumeId], [other]])
  expect(outcomes.map(({ capture }) => capture?.consistency)).toEqual(['frozen', 'frozen'])
  expect(outcomes[0].capture?.group).not.toBe(outcomes[1].capture?.group)
})

it('leave no snapshot of an archive that was terminated before it was told of it', async () => {
  const taking = gate()
  const { snapshotTogether } = rig.acts
  rig.acts.snapshotTogether = async (request) => {
    await taking.opened
    return snapshotTogether(request)
  }
  const archives = [await begin(rig.volumeId), await begin(other)]
  await eventually('it is frozen', () => agent.told.some((one) => one.startsWith('freeze')))
  await archives[1]?.terminate('a test')
  taking.open()
  await archives[0]?.result()
  await report()
  const released = rig.named('releaseCapture').map(({ request }) => request['volumeId'])
  expect(released.sort()).toEqual([rig.volumeId, other].sort())
})

it('are frozen although the snapshot of a terminated archive cannot be removed yet', async () => {
  const taking = gate()
  const removed = gate()
  const { snapshotTogether, releaseCapture } = rig.acts
  rig.acts.snapshotTogether = async (request) => {
    await taking.opened
    return snapshotTogether(request)
  }
  let isGone = false
  rig.acts.releaseCapture = async (request) => {
    if (request.volumeId === other && isGone) await removed.opened
    return releaseCapture(request)
  }
  const archives = [await begin(rig.volumeId), await begin(other)]
  await eventually('it is frozen', () => agent.told.some((one) => one.startsWith('freeze')))
  await archives[1]?.terminate('a test')
  isGone = true
  taking.open()
  await archives[0]?.result()
  const again = await begin(rig.volumeId, { calls: false })
  expect((await again.result()).capture).toMatchObject({ consistency: 'frozen' })
  removed.open()
  expect((await report()).captures).toHaveLength(2)
  expect(rig.named('releaseCapture').map(({ request }) => request['volumeId'])).toContain(other)
})

it('do not wait for one that was cancelled', async () => {
  const gone = await begin(other)
  await eventually('it has joined', async () => (await signals()) === 1)
  await gone.cancel()
  await eventually('it has left', async () => (await signals()) === 2)
  expect((await report()).captures).toEqual([])
  expect(agent.told).toEqual([])
})

/** How many signals the server's workflow was given; it may not be there yet. */
async function signals(): Promise<number> {
  const handle = rig.temporal.client.workflow.getHandle(serverWorkflowId(serverId))
  const { events } = await handle.fetchHistory().catch(() => ({ events: [] }))
  return events?.filter((event) => event.workflowExecutionSignaledEventAttributes).length ?? 0
}
