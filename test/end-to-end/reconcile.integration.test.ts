import { connect } from 'amqplib'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { consumersOf, removeQueues } from '../../demo/broker.js'
import type { Tenant } from '../../demo/tenant.js'
import type { Volume } from '../../openstack/cinder.js'
import type { FaultKind } from '../../sandbox/faults.js'
import type { Finding, ReconcileReport } from '../../workflows/report-messages.js'
import { expectOneProvenCopy } from './proof.js'
import { archivesOf, openStage, points, statusOf, until, type Stage } from './stage.js'

let stage: Stage
let tenant: Tenant
beforeAll(async () => {
  stage = await openStage({ timeoutSeconds: 60 })
  tenant = await stage.tenant('payments')
})
afterAll(async () => {
  await stage.close()
})

/** As if it had been made, and last changed, a day ago: what was changed just now is not compared. */
function aDayAgo({ id }: Volume): void {
  const volume = stage.sandbox.state.volumes.get(id)
  if (volume === undefined) throw new Error('no such volume')
  const yesterday = new Date(Date.now() - 86_400_000).toISOString().replace('Z', '000')
  volume.createdAt = yesterday
  if (volume.updatedAt !== null) volume.updatedAt = yesterday
}

const mine = new Set<string>()
async function createVolume(name: string, metadata: Record<string, string> = {}): Promise<Volume> {
  const volume = await tenant.createVolume(name, { metadata })
  mine.add(volume.id)
  return volume
}

/** Of the volumes that Cinderkeep makes it is told as well; what looks at one may not have noticed yet that it is gone. */
async function ownAreForgotten(): Promise<boolean> {
  const query = `WorkflowType = 'watchVolume' AND ExecutionStatus = 'Running'`
  for await (const { workflowId } of stage.client.workflow.list({ query })) {
    if (!mine.has(workflowId.replace(/^volume\//, ''))) return false
  }
  return true
}

async function reconcileNow(): Promise<ReconcileReport> {
  await until('our own volumes to be forgotten', ownAreForgotten)
  const { code, stdout, stderr } = await stage.command('reconcile', '--json')
  // of a slow machine it tells its progress there
  expect({ code, stderr }).toEqual({ code: 0, stderr: expect.stringMatching(/^(reconcile: .*\n?)*$/) as string })
  return JSON.parse(stdout) as ReconcileReport
}

const namesOf = ({ found }: ReconcileReport): (readonly [string | null, Finding['why']])[] =>
  found.map(({ name, why }) => [name, why] as const).sort()

/** Runs it until it names the volume, which it does once a notification could no longer be on its way. */
async function untilNamed({ id }: Volume): Promise<Finding> {
  let found: Finding | undefined
  await until('reconcile to name the volume', async () => {
    // it takes a minute, and every look is a process
    await sleep(5000)
    found = (await reconcileNow()).found.find(({ volume }) => volume === id)
    return found !== undefined
  })
  if (found === undefined) throw new Error('it was named')
  return found
}

const strike = (...faults: FaultKind[]): void => {
  for (const fault of faults) stage.sandbox.faults.add(fault)
}

async function onBroker(act: (queue: string) => Promise<void>): Promise<void> {
  await stage.roles.kill('listener')
  await until('the broker to notice', async () => (await consumersOf(stage.amqpUrl, stage.queue)) === 0)
  await act(stage.queue)
}

async function listenAgain(): Promise<void> {
  stage.roles.start('listener')
  await until('the listener', async () => (await consumersOf(stage.amqpUrl, stage.queue)) > 0)
}

it('finds nothing, and nothing is archived twice, when notifications came doubled and out of order', async () => {
  strike(
    { kind: 'double-notification', event: 'volume.create.end' },
    // the detach overtakes the creation of another volume
    { kind: 'hold-notification', event: 'volume.create.end', by: 3 },
    { kind: 'double-notification', event: 'volume.detach.end' },
  )
  const doubled = await createVolume('doubled')
  const reordered = await createVolume('reordered', { archive: 'gold' })
  await tenant.use(reordered)
  await expectOneProvenCopy(stage, doubled)
  await expectOneProvenCopy(stage, reordered)
  for (const volume of [doubled, reordered]) aDayAgo(volume)
  expect(await reconcileNow()).toMatchObject({ protected: 2, watched: 2, counts: {}, found: [] })
})

it('finds a volume of whose creation nobody told, names it, and it is archived', async () => {
  strike({ kind: 'lose-notification', event: 'volume.create.end' })
  const volume = await createVolume('created')
  aDayAgo(volume)
  const report = await reconcileNow()
  expect(namesOf(report)).toEqual([['created', 'unwatched']])
  expect(report.found[0]).toMatchObject({ volume: volume.id, project: 'payments', untold: null })
  const point = await expectOneProvenCopy(stage, volume)
  expect(point.slot).toMatch(/^event:reconcile:reconcile@/)
  // what it found is mended
  expect((await reconcileNow()).found).toEqual([])
})

it('finds a detach of which nobody told', async () => {
  const volume = await createVolume('detached')
  await expectOneProvenCopy(stage, volume)
  strike({ kind: 'lose-notification', event: 'volume.detach.end' })
  await tenant.use(volume)
  const found = await untilNamed(volume)
  expect(found).toMatchObject({ name: 'detached', why: 'missed' })
  const [newest, first] = await points(stage, volume, 'verified', 2)
  expect(newest?.rootHash).not.toBe(first?.rootHash)
  await stage.client.workflow.getHandle(newest?.archive ?? '').result()
  expect((await reconcileNow()).found).toEqual([])
})

it('finds what happened while the listener was down for a day', async () => {
  const deleted = await createVolume('deleted')
  const kept = await createVolume('kept', { archive: 'none' })
  await expectOneProvenCopy(stage, deleted)
  await expectOneProvenCopy(stage, kept)
  // by then the queue has dropped what it held: it is bounded in size and in time
  let made: Volume | undefined
  await onBroker(async (queue) => {
    made = await createVolume('made')
    await stage.sandbox.idle()
    stage.sandbox.state.volumes.delete(deleted.id)
    const volume = stage.sandbox.state.volumes.get(kept.id)
    if (volume !== undefined) volume.metadata = { archive: 'gold' }
    await purge(queue)
  })
  await listenAgain()
  if (made === undefined) throw new Error('it was made')
  for (const volume of [kept, made]) aDayAgo(volume)
  const report = await reconcileNow()
  expect(namesOf(report)).toEqual([
    ['deleted', 'gone'],
    ['kept', 'policy'],
    ['made', 'unwatched'],
  ])
  await expectOneProvenCopy(stage, made)
  await until('the deletion to be known', async () => (await statusOf(stage, deleted))?.protection === 'source-gone')
  await until('the other policy to be known', async () => (await statusOf(stage, kept))?.policy === 'gold')
  expect((await reconcileNow()).found).toEqual([])
})

it('finds what was told while our queue was deleted', async () => {
  let unheard: Volume | undefined
  await onBroker(async (queue) => {
    await removeQueues(stage.amqpUrl, queue)
    unheard = await createVolume('unheard')
  })
  await listenAgain()
  if (unheard === undefined) throw new Error('it was made')
  aDayAgo(unheard)
  expect(namesOf(await reconcileNow())).toEqual([['unheard', 'unwatched']])
  await expectOneProvenCopy(stage, unheard)
})

it('finds all volumes when Temporal was wiped; their points are read from the targets, and none is archived again', async () => {
  const volume = await createVolume('lasting')
  const point = await expectOneProvenCopy(stage, volume)
  for (const one of stage.sandbox.state.volumes.values()) aDayAgo(one as unknown as Volume)
  await stage.roles.kill('control')
  await wipe()
  expect(await stage.command('reconcile')).toMatchObject({ code: 1, stdout: '' })
  // the control worker applies its file's policies where none ever were, also while it runs
  stage.roles.start('control')
  await until('the policies', async () => (await stage.command('reconcile')).code === 0)
  await until('the volume to be watched', async () => (await statusOf(stage, volume))?.protection === 'protected')
  const again = await points(stage, volume)
  expect(again.map((one) => [one.point, one.rootHash])).toEqual([[point.point, point.rootHash]])
  expect(await archivesOf(stage, volume)).toEqual([point.archive])
  await until('nothing to be found', async () => (await reconcileNow()).found.length === 0)
  const log = await reportsOfAll()
  // every volume that a policy protects was named, and none of them twice
  const protectedNow = [...stage.sandbox.state.volumes.values()].filter(
    ({ metadata }) => metadata['ck:installation'] === undefined,
  )
  expect(log.flatMap(({ found }) => found.map((one) => one.volume)).sort()).toEqual(
    protectedNow.map(({ id }) => id).sort(),
  )
})

/** All that the namespace holds but what has ended. */
async function wipe(): Promise<void> {
  const { schedule, workflow } = stage.client
  for await (const { scheduleId } of schedule.list()) await schedule.getHandle(scheduleId).delete()
  for await (const { workflowId } of workflow.list({ query: `ExecutionStatus = 'Running'` })) {
    await workflow
      .getHandle(workflowId)
      .terminate('wiped')
      .catch(() => undefined)
  }
  wipedAt = new Date()
}
let wipedAt = new Date(0)

/** The results of all runs since then. */
async function reportsOfAll(): Promise<ReconcileReport[]> {
  const reports: ReconcileReport[] = []
  const query = `WorkflowType = 'reconcile' AND ExecutionStatus = 'Completed' AND StartTime > '${wipedAt.toISOString()}'`
  for await (const { workflowId, runId } of stage.client.workflow.list({ query })) {
    reports.push((await stage.client.workflow.getHandle(workflowId, runId).result()) as ReconcileReport)
  }
  return reports
}

async function purge(queue: string): Promise<void> {
  const connection = await connect(stage.amqpUrl)
  const channel = await connection.createChannel()
  await channel.purgeQueue(queue)
  await connection.close()
}
