import { randomUUID } from 'node:crypto'
import { ApplicationFailure } from '@temporalio/common'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Copy } from '../../targets/target.js'
import { archiveNowUpdate, pointsQuery, statusQuery } from '../../workflows/messages.js'
import { eventually, gate, workflowRig, type WorkflowRig } from '../helpers/workflow-rig.js'

let rig: WorkflowRig
const status = () => rig.entity.query(statusQuery)
const points = () => rig.entity.query(pointsQuery)
const runId = async () => (await rig.entity.describe()).runId

beforeEach(async () => {
  rig = await workflowRig()
})
afterEach(async () => {
  await rig.close()
})

/** Waits until the list of workflows shows an archive of the volume in a state. */
const listed = async (state: string) =>
  eventually(`the list of workflows shows a ${state} archive`, async () => {
    const query = `WorkflowId STARTS_WITH 'archive/${rig.volumeId}/' AND ExecutionStatus = '${state}'`
    for await (const one of rig.temporal.client.workflow.list({ query })) return one.workflowId.length > 0
    return false
  })

describe('what others can send', () => {
  it('survives a signal and an update that somebody sends by hand in a wrong shape', async () => {
    await rig.hint('volume.update.end')
    await eventually('it was assessed', () => rig.named('assess').length > 0)
    for (const name of ['hint', 'laneFreed']) {
      for (const args of [[], [null], [{}], [[null]], [[{ messageId: 7 }]]]) await rig.entity.signal(name, ...args)
    }
    await expect(rig.entity.executeUpdate(archiveNowUpdate, { args: [null as never] })).rejects.toThrow()
    await expect(
      rig.entity.executeUpdate(archiveNowUpdate, { args: [{ id: 'x', targets: 'one' as never }] }),
    ).rejects.toThrow()
    await rig.hint('volume.create.end')
    await eventually('a point', async () => (await points()).length === 1)
  })
})

it('undoes what a terminated archive left although its own run is soon over', async () => {
  const { writeCopy } = rig.acts
  rig.acts.writeCopy = async () => {
    throw ApplicationFailure.create({ message: 'not yet' })
  }
  await rig.hint('volume.create.end')
  const { archive, archiveId } = await eventually('it runs', async () => (await status()).archives[0] ?? false)
  await eventually('it writes', () => rig.named('writeCopy').length > 0)
  await rig.entity.terminate('everything at once')
  await rig.temporal.client.workflow.getHandle(archive).terminate('everything at once')
  await listed('Terminated')
  rig.acts.writeCopy = writeCopy
  await rig.hint('volume.create.end')
  await eventually('a point', async () => (await points()).length === 1)
  await eventually('it is undone', () => rig.named('undoArchive').length === 1)
  expect(rig.named('undoArchive')[0]?.request['archiveId']).toBe(archiveId)
})

it('learns the end of an archive that ended while it was reset to before', async () => {
  const writing = gate()
  const { writeCopy } = rig.acts
  rig.acts.writeCopy = async (request) => {
    await writing.opened
    return writeCopy(request)
  }
  await rig.hint('volume.create.end')
  await eventually('it writes', () => rig.named('writeCopy').length === 1)
  const { client, namespace } = rig.temporal
  const first = await runId()
  const { events } = await rig.entity.fetchHistory()
  const started = events?.findIndex((event) => event.childWorkflowExecutionStartedEventAttributes) ?? -1
  const task = events?.slice(started).find((event) => event.workflowTaskCompletedEventAttributes)
  writing.open()
  await eventually('a point', async () => (await points()).length === 1)
  await client.workflowService.resetWorkflowExecution({
    namespace,
    workflowExecution: { workflowId: rig.entityId, runId: first },
    workflowTaskFinishEventId: task?.eventId as never,
    requestId: randomUUID(),
    reason: 'a test',
  })
  await eventually('its point again', async () => (await points()).length === 1)
  await eventually('its lane is free', async () => Object.keys((await status()).running).length === 0)
  expect(rig.named('takeCapture')).toHaveLength(1)
})

it('learns of an archive that somebody resets after its end', async () => {
  await rig.hint('volume.create.end')
  const [first] = await eventually('a point', async () => (await points()).length === 1 && points())
  const { client, namespace } = rig.temporal
  const archive = client.workflow.getHandle(first?.archive ?? '')
  await client.workflowService.resetWorkflowExecution({
    namespace,
    workflowExecution: { workflowId: archive.workflowId, runId: (await archive.describe()).runId },
    // a Long where it is large
    workflowTaskFinishEventId: 4 as never,
    requestId: randomUUID(),
    reason: 'a test',
  })
  // within the same second its point has the same name
  const before = first?.copies[0]?.snapshotId
  const second = await eventually('a copy of another capture', () => {
    const [copy] = rig.stored.get('cinder') ?? []
    return copy !== undefined && copy.snapshotId !== before && copy
  })
  const isSecond = (copy: Copy) => copy.snapshotId === second.snapshotId
  await eventually('it is known', async () => (await points()).some(({ copies }) => copies.some(isSecond)))
})

it('frees the lane of a terminated archive although what it left cannot be removed yet', async () => {
  const { writeCopy } = rig.acts
  rig.acts.writeCopy = async () => {
    throw ApplicationFailure.create({ message: 'not yet' })
  }
  rig.acts.undoArchive = async () => {
    throw ApplicationFailure.create({ type: 'CK-SNAPSHOT-BUSY', message: 'a clone holds it' })
  }
  await rig.hint('volume.create.end')
  const { archive, archiveId } = await eventually('its lane is held', async () => (await status()).archives[0] ?? false)
  // the lane is held before the archive is started
  const handle = rig.temporal.client.workflow.getHandle(archive)
  const terminated = async () => (await handle.terminate('an operator’s click').catch(() => null)) !== null
  await eventually('it runs and is terminated', terminated)
  await eventually('its lane is free', async () => Object.keys((await status()).running).length === 0)
  expect((await status()).leftovers).toMatchObject([{ archiveId }])
  rig.acts.writeCopy = writeCopy
  await rig.hint('volume.create.end')
  await eventually('another archive makes a point', async () => (await points()).length === 1)
  let undone = 0
  rig.acts.undoArchive = async () => {
    undone += 1
    return {}
  }
  await eventually('it is undone in the end', () => undone > 0)
})

it('shows in its columns that the last target has answered, though nothing else happens', async () => {
  const answering = gate()
  rig.acts.listCopies = async () => {
    await answering.opened
    return []
  }
  const protection = async () => {
    const { typedSearchAttributes } = await rig.entity.describe()
    return typedSearchAttributes.getAll().find(({ key }) => key.name === 'protection')?.value
  }
  await rig.hint('volume.update.end')
  await eventually('it was assessed all the same', () => rig.named('assess').length === 1)
  expect(await protection()).toBe('rebuilding')
  answering.open()
  await eventually('the column', async () => (await protection()) === undefined)
})
