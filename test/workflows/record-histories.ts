/**
 * Writes test/histories/*.binpb anew from a run on the Temporal server of TEMPORAL_ADDRESS. Run it when a workflow was
 * changed on purpose behind `patched()`, and keep the older files: what they tell must still replay.
 */
import { ApplicationFailure } from '@temporalio/common'
import { temporal } from '@temporalio/proto'
import { writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import type { VerifyNow } from '../../workflows/messages.js'
import { pointsQuery, scheduleEvent, statusQuery, verifyNowUpdate } from '../../workflows/messages.js'
import type { verifyPoint } from '../../workflows/verify-point.js'
import { eventually, gate, workflowRig } from '../helpers/workflow-rig.js'

type Rig = Awaited<ReturnType<typeof workflowRig>>

export async function save(rig: Rig, name: string, workflowId: string, runId?: string): Promise<void> {
  const history = await rig.temporal.client.workflow.getHandle(workflowId, runId).fetchHistory()
  withoutIdentities(history)
  const file = fileURLToPath(new URL(`../histories/${name}.binpb`, import.meta.url))
  await writeFile(file, temporal.api.history.v1.History.encode(history).finish())
}

/** Which machine recorded it is nobody's business. */
function withoutIdentities(value: unknown): void {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return
  for (const [key, inner] of Object.entries(value)) {
    // a worker's own queue is named after it
    if (key === 'identity' || (key === 'name' && typeof inner === 'string' && inner.includes('@')))
      (value as Record<string, unknown>)[key] = 'recorder'
    else withoutIdentities(inner)
  }
}

/** A burst during an archive: settle, two archives, one continue-as-new after each. */
export async function recordBusyVolume(): Promise<void> {
  const rig = await workflowRig({ targets: ['one', 'two'], settleSeconds: 1 })
  const writing = gate()
  const { writeCopy } = rig.acts
  rig.acts.writeCopy = async (request) => {
    if (request.target === 'two') await writing.opened
    return writeCopy(request)
  }
  await rig.hint('volume.create.end', 'volume.attach.end')
  const { archive } = await eventually(
    'it runs',
    async () => (await rig.entity.query(statusQuery)).archives[0] ?? false,
  )
  const first = (await rig.entity.describe()).runId
  await rig.hint('volume.create.end')
  await eventually('a lane is busy', async () => 'two' in (await rig.entity.query(statusQuery)).wants)
  writing.open()
  await eventually('three archives', async () => (await rig.entity.query(pointsQuery)).length === 3)
  await save(rig, 'watch-volume-busy', rig.entityId, first)
  await save(rig, 'archive-volume-two-targets', archive)
  await rig.close()
}

/** A target that only movers reach: rebuilt from, written to, read back when nobody remembers the point. */
export async function recordNearTarget(): Promise<void> {
  const rig = await workflowRig({ targets: ['cinder', 'far'] })
  const { taskQueue, volumeId, entityId } = rig
  rig.acts.findMovers = async ({ targets }) =>
    Object.fromEntries((targets ?? ['far']).map((name) => [name, { queue: taskQueue, heartbeatSeconds: 5 }]))
  rig.acts.assess = async (request) => {
    const verdict = rig.verdictFor(request)
    const { plan } = verdict
    const targets = plan?.targets.map((one) => (one.target === 'far' ? { ...one, nearQueue: taskQueue } : one))
    return { ...verdict, plan: plan === null || targets === undefined ? null : { ...plan, targets } }
  }
  await rig.hint('volume.create.end')
  const { archive } = await eventually(
    'it runs',
    async () => (await rig.entity.query(statusQuery)).archives[0] ?? false,
  )
  const first = (await rig.entity.describe()).runId
  const [point] = await eventually('a new run with its point', async () => {
    const points = await rig.entity.query(pointsQuery)
    return points.length > 0 && (await rig.entity.describe()).runId !== first && points
  })
  await save(rig, 'watch-volume-near', entityId, first)
  await save(rig, 'archive-volume-near', archive)
  const verification = await rig.temporal.client.workflow.start<typeof verifyPoint>('verifyPoint', {
    ...{ workflowId: `verify/${volumeId}/recorded`, taskQueue },
    args: [
      {
        ...{ volumeId, name: 'db', point: point?.point ?? '', targets: null, copies: [], patient: false },
        entity: entityId,
      },
    ],
  })
  await verification.result()
  await save(rig, 'verify-point-near', verification.workflowId)
  await rig.close()
}

/** Cancel in the UI, then a failing archive. */
export async function recordTroubledVolume(): Promise<void> {
  const rig = await workflowRig()
  await rig.hint('volume.create.end')
  await eventually('a point', async () => (await rig.entity.query(pointsQuery)).length === 1)
  rig.acts.verifyCopy = async () => ({ state: 'damaged', rootHash: null, reason: 'other hash', readBytes: 1 })
  const second = (await rig.entity.describe()).runId
  await rig.hint('volume.create.end')
  const { archive } = await eventually(
    'it runs',
    async () => (await rig.entity.query(statusQuery)).archives[0] ?? false,
  )
  await eventually('it fails', async () => (await rig.entity.query(statusQuery)).protection === 'failing')
  await rig.entity.cancel()
  await eventually('a new run', async () => (await rig.entity.describe()).runId !== second)
  await save(rig, 'watch-volume-cancelled', rig.entityId, second)
  await save(rig, 'archive-volume-damaged', archive)
  await rig.close()
}

/**
 * A schedule tells a nominal time while the window is closed; then, in the next run, the point grows older than it may, is
 * read back and found damaged, and an archive is put off.
 */
export async function recordScheduledVolume(): Promise<void> {
  const rig = await workflowRig()
  const opens = Date.now() + 8000
  rig.acts.assess = async (request) => {
    const isDue = request.events.includes(scheduleEvent)
    const closed = { kind: 'wait', plan: null, waitUntil: new Date(opens).toISOString() } as const
    const verdict = rig.verdictFor({ ...request, manual: request.manual || isDue })
    const times = { rpoSeconds: 10, nextAt: '2030-01-01T00:00:00.000Z' }
    return { ...verdict, ...times, ...(Date.now() < opens ? closed : {}) }
  }
  const at = '2026-01-01T00:00:00Z'
  const nominal = { policy: 'all', at }
  await rig.hint({ messageId: `all@${at}`, event: scheduleEvent, nominal })
  await eventually('it waits', async () => (await rig.entity.query(statusQuery)).burst?.waitsForWindow === true)
  const first = (await rig.entity.describe()).runId
  await rig.hint({ messageId: 'told again', event: scheduleEvent, nominal })
  const [point] = await eventually('a point', async () => {
    const points = await rig.entity.query(pointsQuery)
    return points.length > 0 && points
  })
  const second = await eventually('a new run', async () => {
    const { runId } = await rig.entity.describe()
    return runId !== first && runId
  })
  await save(rig, 'watch-volume-scheduled', rig.entityId, first)
  await eventually('it is overdue', async () => (await rig.entity.query(statusQuery)).protection === 'overdue')
  rig.acts.verifyCopy = async () => ({ state: 'damaged', rootHash: null, reason: 'other hash', readBytes: 1 })
  const args: [VerifyNow] = [{ id: 'recorded', point: point?.point ?? '', targets: null }]
  const { verification } = await rig.entity.executeUpdate(verifyNowUpdate, { args })
  await eventually('it is found bad', async () => (await rig.entity.query(statusQuery)).foundBad !== null)
  await save(rig, 'verify-point-damaged', verification)
  rig.acts.takeCapture = async () => {
    throw ApplicationFailure.create({ type: 'CK-DEFERRED', message: 'CK-DEFERRED  no room', nonRetryable: true })
  }
  await rig.hint('volume.create.end')
  await eventually('it is put off', async () => 'cinder' in (await rig.entity.query(statusQuery)).wants)
  await save(rig, 'watch-volume-put-off', rig.entityId, second)
  await rig.close()
}
