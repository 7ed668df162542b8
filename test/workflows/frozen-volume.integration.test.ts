/** Archives of a volume in use: captured under a freeze by its server's host where that can be done. */
import { ApplicationFailure } from '@temporalio/common'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, expect, it } from 'vitest'
import type { CaptureRequest } from '../../activities/take-capture.js'
import type { FreezeServer } from '../../workflows/freeze-messages.js'
import { outcomeQuery } from '../../workflows/messages.js'
import { fakeAgent, refusal } from '../helpers/fake-agent.js'
import { eventually, gate, workflowRig, type WorkflowRig } from '../helpers/workflow-rig.js'

let rig: WorkflowRig
let agent: Awaited<ReturnType<typeof fakeAgent>>
let servers: FreezeServer[]
let limitSeconds: number
const consistency = { prefer: ['detached', 'frozen', 'crash'] as const, require: 'crash' as const }
const wanted = { consistency: { ...consistency, prefer: [...consistency.prefer] } }

beforeEach(async () => {
  rig = await workflowRig()
  agent = await fakeAgent(rig)
  servers = [agent.server()]
  limitSeconds = 30
  rig.acts.planFreeze = async ({ volumeIds }) => ({
    servers,
    attached: volumeIds.map((volumeId) => ({ volumeId, serverIds: servers.map(({ id }) => id) })),
    limitSeconds,
  })
  const { snapshotTogether, takeCapture } = rig.acts
  rig.acts.snapshotTogether = async (request) => {
    agent.told.push('snapshot')
    return snapshotTogether(request)
  }
  rig.acts.takeCapture = async (request) => {
    const capture = await takeCapture(request)
    return request.frozenSnapshotId === undefined ? { ...capture, consistency: 'crash' } : capture
  }
})
afterEach(async () => {
  await agent.close()
  await rig.close()
})

async function archived(change: Parameters<WorkflowRig['archive']>[0] = {}) {
  const { capture, freezing } = await (await rig.archive({ ...wanted, ...change })).result()
  return { consistency: capture?.consistency, freezing }
}

function asked(): CaptureRequest {
  return rig.named('takeCapture')[0]?.request as unknown as CaptureRequest
}

it('freezes, takes the snapshot, thaws, and only then looks at what it got', async () => {
  rig.acts.prepareCapture = async () => {
    agent.told.push('prepare')
    return { isTaken: false, isDetached: false, deferred: [] }
  }
  expect(await archived()).toEqual({ consistency: 'frozen', freezing: [] })
  expect(agent.told).toEqual(['prepare', 'freeze server-1', 'snapshot', 'thaw server-1'])
})

it('freezes nobody where nobody can write, where it was captured before, and where the policy does not ask', async () => {
  rig.acts.prepareCapture = async () => ({ isTaken: false, isDetached: true, deferred: [] })
  await archived()
  rig.acts.prepareCapture = async () => ({ isTaken: true, isDetached: false, deferred: [] })
  await archived()
  await archived({ consistency: { prefer: ['detached', 'crash'], require: 'crash' } })
  expect(agent.told).toEqual([])
})

it('freezes every server that has it attached, and calls it frozen only if all were', async () => {
  servers = [agent.server(), agent.server({ id: 'server-2', name: 'db' })]
  const tokens: string[] = []
  agent.acts.freezeServer = async ({ token }) => {
    tokens.push(token)
    return { filesystems: 1 }
  }
  expect(await archived()).toMatchObject({ consistency: 'frozen' })
  agent.told.length = 0
  agent.acts.freezeServer = async ({ serverId, token }) => {
    tokens.push(token)
    if (serverId === 'server-2') throw refusal('CK-QUIESCE-NO-AGENT')
    return { filesystems: 1 }
  }
  expect(await archived()).toEqual({ consistency: 'crash', freezing: ['CK-QUIESCE-NO-AGENT  a test'] })
  // whoever was asked to freeze is thawed, whatever it answered
  expect(agent.told.slice().sort()).toEqual(['freeze server-1', 'freeze server-2', 'thaw server-1', 'thaw server-2'])
  // the ledger of a host with both knows them apart
  expect(new Set(tokens).size).toBe(4)
})

it('is not frozen when the thaw says that the freeze did not last', async () => {
  const reason = { code: 'CK-QUIESCE-CUT-SHORT', message: 'CK-QUIESCE-CUT-SHORT  a test' }
  agent.acts.thawServer = async () => ({ kept: false, reason, heldMs: 2000 })
  expect(await archived()).toEqual({ consistency: 'crash', freezing: [reason.message] })
})

it('is frozen by Nova where no agent is, at the next try when another one has just frozen the guest', async () => {
  servers = [agent.server({ hasAgent: false, byNova: { isPossible: true } })]
  let tries = 0
  rig.acts.captureByNova = async ({ volumes }) => {
    tries += 1
    if (tries === 1) throw ApplicationFailure.nonRetryable('a test', 'CK-NOVA-QUIESCE-FAILED')
    const about = { name: 'ck', createdAt: '2026-01-01T00:00:00Z', sizeBytes: 1, frozen: true, reason: null }
    return { snapshots: volumes.map((volume) => ({ ...volume, ...about, snapshotId: 'by-nova' })) }
  }
  expect(await archived()).toEqual({ consistency: 'frozen', freezing: [] })
  expect(tries).toBe(2)
  expect(asked()).toMatchObject({ frozenSnapshotId: 'by-nova' })
})

it('has what Nova made removed with its own snapshot where that could not be done at once', async () => {
  servers = [agent.server({ hasAgent: false, byNova: { isPossible: true } })]
  rig.acts.captureByNova = async () => Promise.reject(ApplicationFailure.nonRetryable('a test', 'CK-NOVA-IMAGE-FAILED'))
  let tries = 0
  rig.acts.releaseByNova = async () => {
    tries += 1
    if (tries === 1) throw ApplicationFailure.nonRetryable('a clone holds it', 'CK-SNAPSHOT-BUSY')
  }
  const { freezing } = await archived()
  expect(freezing?.join(' ')).toMatch(/CK-NOVA-LEFT .*a clone holds it/)
  const [first, second] = rig.named('releaseByNova').map(({ request }) => request)
  expect(second).toMatchObject({ imageName: first?.['imageName'], settled: true })
})

it('is thawed on its new host when it was migrated meanwhile, which Nova shows only later', async () => {
  const there = await fakeAgent(rig)
  const reason = { code: 'CK-QUIESCE-CUT-SHORT', message: 'CK-QUIESCE-CUT-SHORT  a test' }
  agent.acts.thawServer = async () => ({ kept: false, reason, heldMs: 2000 })
  let looks = 0
  rig.acts.locateServer = async () => {
    looks += 1
    if (looks === 2) throw ApplicationFailure.nonRetryable('Nova is away')
    if (looks === 4) return { status: 'ACTIVE', hypervisor: there.hypervisor }
    return { status: 'MIGRATING', hypervisor: agent.hypervisor }
  }
  const moved: unknown[] = []
  there.acts.thawServer = async (request) => {
    moved.push(request.movedFrom)
    return { kept: false, reason: null, heldMs: null }
  }
  try {
    expect(await archived()).toEqual({ consistency: 'crash', freezing: [reason.message] })
  } finally {
    await there.close()
  }
  expect({ moved, looks }).toEqual({ moved: [agent.hypervisor], looks: 4 })
})

it('leaves the snapshots less time than the guests have, in whole milliseconds', async () => {
  limitSeconds = 16.1
  expect(await archived()).toMatchObject({ consistency: 'frozen' })
  const withinMs = rig.named('snapshotTogether')[0]?.request['withinMs']
  expect(withinMs).toBeGreaterThan(0)
  expect(withinMs).toBeLessThanOrEqual(12_880)
  expect(Number.isInteger(withinMs)).toBe(true)
})

it('takes no snapshot when freezing left no time for one', async () => {
  limitSeconds = 2
  agent.acts.freezeServer = async () => {
    await sleep(1700)
    return { filesystems: 1 }
  }
  const { consistency: is, freezing } = await archived()
  expect({ is, code: freezing?.[0]?.split(' ')[0] }).toEqual({ is: 'crash', code: 'CK-QUIESCE-TOO-LATE' })
  expect(agent.told).toEqual(['freeze server-1', 'thaw server-1'])
})

it('tells the agent in whose run it asks', async () => {
  const runs: string[] = []
  agent.acts.freezeServer = async ({ run }) => {
    runs.push(run)
    return { filesystems: 1 }
  }
  agent.acts.thawServer = async ({ run }) => {
    runs.push(run)
    return { kept: true, reason: null, heldMs: 1 }
  }
  const archive = await rig.archive(wanted)
  await archive.result()
  const { runId } = await archive.describe()
  expect(runs).toEqual([runId, runId])
})

it('is thawed when the snapshot fails, and is captured unfrozen', async () => {
  rig.acts.snapshotTogether = async () => ({ taken: [], failed: ['CK-CLOUD-QUOTA  no room for a snapshot'] })
  expect(await archived()).toEqual({ consistency: 'crash', freezing: ['CK-CLOUD-QUOTA  no room for a snapshot'] })
  expect(agent.told).toEqual(['freeze server-1', 'thaw server-1'])
  expect(rig.named('snapshotTogether')).toHaveLength(1)
})

it('is thawed when the snapshot takes longer than the freeze may last', async () => {
  limitSeconds = 3
  const reason = { code: 'CK-QUIESCE-CUT-SHORT', message: 'a test' }
  agent.acts.thawServer = async () => ({ kept: false, reason, heldMs: 2000 })
  const slow = gate()
  let isOver = false
  rig.acts.snapshotTogether = async () => {
    await slow.opened
    isOver = true
    return { taken: [], failed: [] }
  }
  const archive = await rig.archive(wanted)
  // before it ends it waits for what may still appear
  const { capture, freezing } = await eventually('it is captured', async () => {
    const outcome = await archive.query(outcomeQuery)
    return outcome.capture !== null && outcome
  })
  expect(capture?.consistency).toBe('crash')
  expect(freezing?.[0]).toContain('CK-TIMED-OUT')
  expect(freezing?.[1]).toBe('CK-QUIESCE-CUT-SHORT  a test')
  // it may be made all the same: the release waits for that
  await eventually('it waits', async () => (await rig.timersOf(archive.workflowId)).includes(120))
  expect(agent.told).toEqual(['freeze server-1', 'thaw server-1'])
  slow.open()
  await eventually('it is over', () => isOver)
})

it('does not wait for an agent that is not there, and does not call one twice', async () => {
  servers = [agent.server({ hypervisor: 'nobody-is-there' })]
  const { freezing } = await archived()
  expect(freezing?.join(' ')).toContain('CK-QUIESCE-AGENT-AWAY')
  agent.acts.freezeServer = async () => Promise.reject(refusal('CK-QUIESCE-AGENT-SILENT'))
  servers = [agent.server()]
  await archived()
  expect(agent.told).toEqual(['freeze server-1', 'thaw server-1'])
})

it('tries again only when somebody else has frozen the guest', async () => {
  let tries = 0
  agent.acts.freezeServer = async () => {
    tries += 1
    if (tries < 3) throw refusal('CK-QUIESCE-ALREADY-FROZEN')
    return { filesystems: 1 }
  }
  expect(await archived()).toMatchObject({ consistency: 'frozen' })
  expect(tries).toBe(3)
})

it('is not frozen when it was attached to another server meanwhile', async () => {
  let asks = 0
  const plan = rig.acts.planFreeze
  rig.acts.planFreeze = async (request) => {
    asks += 1
    if (asks > 1) servers = [...servers, agent.server({ id: 'server-2' })]
    return plan(request)
  }
  const { consistency: is, freezing } = await archived()
  expect(is).toBe('crash')
  expect(freezing?.[0]).toContain('CK-QUIESCE-CHANGED')
})

it('freezes no server that does not run', async () => {
  servers = [agent.server({ status: 'PAUSED' })]
  const { freezing } = await archived()
  expect(freezing?.[0]).toContain('CK-QUIESCE-NOT-RUNNING')
  expect(agent.told).toEqual([])
})

it('thaws the guest when the archive is cancelled under the freeze', async () => {
  const snapshot = gate()
  rig.acts.snapshotTogether = async () => {
    agent.told.push('snapshot')
    await snapshot.opened
    return { taken: [], failed: [] }
  }
  const archive = await rig.archive(wanted)
  await eventually('a snapshot is asked for', () => agent.told.includes('snapshot'))
  await archive.cancel()
  await eventually('it is thawed', () => agent.told.includes('thaw server-1'))
  snapshot.open()
  expect(agent.told).toEqual(['freeze server-1', 'snapshot', 'thaw server-1'])
})

it('says in the outcome and to the capture why it is not frozen', async () => {
  agent.acts.freezeServer = async () => Promise.reject(refusal('CK-QUIESCE-NO-AGENT'))
  const archive = await rig.archive(wanted)
  await archive.result()
  expect((await archive.query(outcomeQuery)).freezing).toEqual(['CK-QUIESCE-NO-AGENT  a test'])
  expect(asked().notFrozen).toEqual(['CK-QUIESCE-NO-AGENT  a test'])
})
