/**
 * Writes test/histories/*.binpb anew from a run on the Temporal server of TEMPORAL_ADDRESS. Run it when a workflow was
 * changed on purpose behind `patched()`, and keep the older files: what they tell must still replay.
 */
import { temporal } from '@temporalio/proto'
import { writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { pointsQuery, statusQuery } from '../../workflows/messages.js'
import { eventually, gate, workflowRig } from '../helpers/workflow-rig.js'

type Rig = Awaited<ReturnType<typeof workflowRig>>

async function save(rig: Rig, name: string, workflowId: string, runId?: string): Promise<void> {
  const history = await rig.temporal.client.workflow.getHandle(workflowId, runId).fetchHistory()
  withoutIdentities(history)
  const file = fileURLToPath(new URL(`../histories/${name}.binpb`, import.meta.url))
  await writeFile(file, temporal.api.history.v1.History.encode(history).finish())
}

/** Which machine recorded it is nobody's business. */
function withoutIdentities(value: unknown): void {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return
  for (const [key, inner] of Object.entries(value)) {
    if (key === 'identity') (value as Record<string, unknown>)[key] = 'recorder'
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
