/** Targets that only movers reach: whatever is done about them is done there, and that no mover is there is told. */
import { WorkflowFailedError } from '@temporalio/client'
import { ApplicationFailure } from '@temporalio/common'
import { Worker } from '@temporalio/worker'
import { randomUUID } from 'node:crypto'
import { afterEach, beforeEach, expect, it } from 'vitest'
import type { Movers } from '../../activities/find-movers.js'
import type { CaptureRequest } from '../../activities/take-capture.js'
import type { ArchiveOutcome, TargetPlan } from '../../workflows/messages.js'
import { pointsQuery, statusQuery, volumeWorkflowId } from '../../workflows/messages.js'
import type { verifyPoint } from '../../workflows/verify-point.js'
import { copyOf, eventually, gate, workflowRig, type Call, type WorkflowRig } from '../helpers/workflow-rig.js'

let rig: WorkflowRig
/** Done by movers near the target `far`. */
let done: Call[]
let nearQueue: string
let stop: (() => Promise<void>) | undefined
const pace = { heartbeatSeconds: 1, firstRetrySeconds: 1, captureMaxAgeSeconds: 3600 }

beforeEach(async () => {
  rig = await workflowRig({ targets: ['cinder', 'far'] })
  nearQueue = `move@${rig.taskQueue}`
  done = []
  stop = undefined
  const { planVerify } = rig.acts
  rig.acts.planVerify = async (request) => {
    const { copies } = await planVerify(request)
    return { pace, copies: copies.map((one) => (one.copy.target === 'far' ? { ...one, nearQueue } : one)) }
  }
  rig.acts.findMovers = async ({ targets }) =>
    Object.fromEntries((targets ?? ['cinder', 'far']).map((name) => [name, moversOf(name)]))
  rig.acts.assess = async (request) => {
    const verdict = rig.verdictFor(request)
    const { plan } = verdict
    return { ...verdict, plan: plan === null ? null : { ...plan, pace, targets: plan.targets.map(planned) } }
  }
})
afterEach(async () => {
  await stop?.()
  await rig.close()
})

const moversOf = (name: string): Movers => ({ queue: name === 'far' ? nearQueue : null, heartbeatSeconds: 1 })
const planned = (plan: TargetPlan): TargetPlan => (plan.target === 'far' ? { ...plan, nearQueue } : plan)
const targetsOf = (...activities: Call['activity'][]) => [
  ...new Set(rig.calls.filter(({ activity }) => activities.includes(activity)).map(({ request }) => request['target'])),
]
const doneBy = (activity: Call['activity']) => done.filter((call) => call.activity === activity)

async function startMover(): Promise<void> {
  const act = (activity: 'findRoom' | 'listCopies' | 'markCopy' | 'removeTemporaries') => async (request: never) => {
    done.push({ activity, request })
    return rig.acts[activity](request)
  }
  const names = ['findRoom', 'listCopies', 'markCopy', 'removeTemporaries'] as const
  const worker = await Worker.create({
    ...{ connection: rig.temporal.nativeConnection, namespace: rig.temporal.namespace, taskQueue: nearQueue },
    activities: Object.fromEntries(names.map((name) => [name, act(name)])),
    shutdownForceTime: '2 seconds',
  })
  const running = worker.run()
  stop = async () => {
    worker.shutdown()
    await running
  }
}

async function archive() {
  const { targets } = rig.verdictFor({
    ...{ volumeId: rig.volumeId, slot: 's', attempt: 1, targets: null, events: [], manual: true, last: null },
  }).plan ?? { targets: [] }
  return rig.archive({ pace, targets: targets.map(planned) })
}

/** What the Temporal UI shows of a workflow. */
async function detailsOf(workflowId: string): Promise<string> {
  const handle = rig.temporal.client.workflow.getHandle(workflowId)
  return (await handle.query<{ currentDetails: string }>('__temporal_workflow_metadata')).currentDetails
}

/** Also of an archive that failed. */
async function outcomeOf(result: Promise<ArchiveOutcome>): Promise<ArchiveOutcome> {
  return result.catch((error: unknown) => {
    if (!(error instanceof WorkflowFailedError) || !(error.cause instanceof ApplicationFailure)) throw error
    return error.cause.details?.[0] as ArchiveOutcome
  })
}

it('marks its copies, clears it away and asks it for room near it, and the others from here', async () => {
  await startMover()
  const { targets } = await (await archive()).result()
  expect(targets).toMatchObject([{ copy: { state: 'verified' } }, { copy: { state: 'verified' } }])
  expect(done.map(({ activity, request }) => [activity, request['target']])).toEqual([
    ['findRoom', undefined],
    ['markCopy', 'far'],
    ['removeTemporaries', 'far'],
  ])
  expect(targetsOf('markCopy', 'removeTemporaries')).toEqual(['cinder'])
  expect(rig.named('takeCapture').map(({ request }) => request as unknown as CaptureRequest)).toMatchObject([
    { targets: [{ target: 'cinder' }], asked: { hasRoom: true, deferred: [] } },
  ])
})

it('is left out of an archive when it has no room, which is told as the reason', async () => {
  await startMover()
  rig.acts.findRoom = async () => [{ target: 'far', reason: 'full' }]
  const outcome = await outcomeOf((await archive()).result())
  expect(outcome.targets).toMatchObject([
    { target: 'cinder', copy: { state: 'verified' }, failure: null },
    { target: 'far', copy: null, failure: { code: 'CK-DEFERRED' } },
  ])
  expect(rig.named('takeCapture').map(({ request }) => request['asked'])).toEqual([
    { hasRoom: false, deferred: [{ target: 'far', reason: 'full' }] },
  ])
})

it('fails alone when no mover is there, before anything is captured for it', async () => {
  const running = await archive()
  await eventually('the other is copied', () => targetsOf('markCopy').includes('cinder'))
  const hindrance = await eventually('it waits for a mover to clear away', async () => {
    const text = await detailsOf(running.workflowId)
    return text.includes('CK-WORKER-AWAY') && text
  })
  expect(hindrance).toContain('cinderkeep run --role mover')
  expect(targetsOf('writeCopy')).toEqual(['cinder'])
  await startMover()
  const outcome = await outcomeOf(running.result())
  expect(outcome.targets).toMatchObject([
    { target: 'cinder', copy: { state: 'verified' } },
    { target: 'far', copy: null, failure: { code: 'CK-WORKER-AWAY' } },
  ])
})

it('holds no archive up when it was taken out of the configuration while no mover was there', async () => {
  const running = await archive()
  await eventually('it waits for a mover', async () => (await detailsOf(running.workflowId)).includes('CK-WORKER-AWAY'))
  rig.acts.findMovers = async () => {
    throw ApplicationFailure.create({ type: 'CK-TARGET-UNKNOWN', message: 'no such target', nonRetryable: true })
  }
  expect((await outcomeOf(running.result())).targets).toMatchObject([{ failure: null }, { copy: null }])
})

it('waits with its verdict for a mover, also of another zone that it is given meanwhile', async () => {
  await startMover()
  const { verifyCopy } = rig.acts
  const reading = gate()
  rig.acts.verifyCopy = async (request) => {
    await reading.opened
    return verifyCopy(request)
  }
  const running = await archive()
  await eventually('both are read back', () => rig.named('verifyCopy').length === 2)
  await stop?.()
  reading.open()
  const marks = async () => (await detailsOf(running.workflowId)).includes('no mover near the storage took markCopy')
  await eventually('it waits for a mover', marks)
  nearQueue = `move-elsewhere@${rig.taskQueue}`
  await startMover()
  await eventually('the verdict is written', () => doneBy('markCopy').length === 1)
  expect(rig.stored.get('far')).toMatchObject([{ state: 'verified' }])
  await stop?.()
  // what is temporary goes where it was planned to go
  nearQueue = `move@${rig.taskQueue}`
  await startMover()
  await running.result()
})

it('is asked by its movers for the copies of a volume that nobody remembers, and the volume says who does not answer', async () => {
  rig.stored.set('far', [
    copyOf('far', rig.captureOf({ archiveId: randomUUID(), archive: 'x', slot: 's', group: null })),
  ])
  await rig.hint('volume.update.end')
  const silent = await eventually(
    'it is told',
    async () => (await rig.entity.query(statusQuery)).silent['far'] ?? false,
  )
  expect(silent).toContain('CK-WORKER-AWAY')
  const said = 'far has not yet said which copies it holds; nothing is written to it: CK-WORKER-AWAY'
  await eventually('its page says so', async () => (await detailsOf(rig.entityId)).includes(said))
  expect(await rig.entity.query(pointsQuery)).toEqual([])
  await startMover()
  await eventually('its point is known', async () => (await rig.entity.query(pointsQuery)).length === 1)
  expect(await rig.entity.query(statusQuery)).toMatchObject({ rebuilding: [], silent: {} })
  expect(targetsOf('listCopies')).toEqual(['cinder'])
  expect(doneBy('listCopies').map(({ request }) => request['target'])).toEqual(['far'])
})

it('is asked by its movers for a point to be read back that nobody remembers', async () => {
  await startMover()
  const [one, other] = ['a', 'b'].map((slot) =>
    copyOf('far', rig.captureOf({ archiveId: randomUUID(), archive: 'x', slot, group: null })),
  )
  if (one === undefined || other === undefined) throw new Error('two copies')
  rig.stored.set('far', [one, other])
  const { volumeId, taskQueue } = rig
  const verification = await rig.temporal.client.workflow.start<typeof verifyPoint>('verifyPoint', {
    ...{ workflowId: `verify/${volumeId}/${randomUUID()}`, taskQueue },
    args: [
      {
        ...{ volumeId, name: 'db', point: one.point, targets: null, copies: [], patient: false },
        entity: volumeWorkflowId(volumeId),
      },
    ],
  })
  const { copies } = await verification.result()
  expect(copies).toMatchObject([{ target: 'far', found: 'verified', copy: { archiveId: one.archiveId } }])
  expect(doneBy('listCopies')).toMatchObject([{ request: { target: 'far', point: one.point } }])
  expect(doneBy('markCopy')).toHaveLength(1)
  expect(targetsOf('listCopies', 'markCopy')).toEqual(['cinder'])
})

it('is cleared by its movers of what a terminated archive left', async () => {
  await startMover()
  rig.acts.undoArchive = async () => ({ far: nearQueue })
  const writing = gate()
  const { writeCopy } = rig.acts
  rig.acts.writeCopy = async (request) => {
    await writing.opened
    return writeCopy(request)
  }
  await rig.hint('volume.create.end')
  const { archive: id, archiveId } = await eventually('it runs', async () => {
    const [first] = (await rig.entity.query(statusQuery)).archives
    return first !== undefined && rig.named('writeCopy').length === 2 && first
  })
  await rig.temporal.client.workflow.getHandle(id).terminate('an operator’s click')
  await eventually('it is cleared', () => doneBy('removeTemporaries').length > 0)
  expect(doneBy('removeTemporaries')[0]?.request).toEqual({ target: 'far', archiveId, volumeId: rig.volumeId })
  writing.open()
})
