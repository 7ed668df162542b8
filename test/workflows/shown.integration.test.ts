import { ApplicationFailure } from '@temporalio/common'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { pointsQuery, statusQuery } from '../../workflows/messages.js'
import { eventually, workflowRig, type WorkflowRig } from '../helpers/workflow-rig.js'

let rig: WorkflowRig
beforeEach(async () => {
  rig = await workflowRig()
})
afterEach(async () => {
  await rig.close()
})

type Handle = Pick<WorkflowRig['entity'], 'query' | 'describe'>

/** What the Temporal UI asks for its page "User Metadata". */
async function currentDetails(handle: Handle): Promise<string> {
  const metadata = await handle.query<{ currentDetails: string }>('__temporal_workflow_metadata')
  return metadata.currentDetails
}

async function column(handle: Handle, name: string): Promise<unknown> {
  const { typedSearchAttributes } = await handle.describe()
  return typedSearchAttributes.getAll().find(({ key }) => key.name === name)?.value
}

it('shows a volume with its points, and columns of the last verified one', async () => {
  await rig.hint('volume.create.end')
  const [point] = await eventually('a point', async () => {
    const points = await rig.entity.query(pointsQuery)
    return points.length === 1 && points
  })
  await eventually('its columns', async () => (await column(rig.entity, 'protection')) === 'protected')
  expect(await column(rig.entity, 'consistency')).toBe(point?.consistency)
  const details = await currentDetails(rig.entity)
  expect(details).toContain('### db: protected')
  expect(details).toContain(`- ${point?.point ?? ''}, ${point?.consistency ?? ''}: cinder **verified**`)
})

it('shows a failing volume with the reason and the time of its next try', async () => {
  rig.acts.writeCopy = async () => {
    throw ApplicationFailure.create({ type: 'CK-X', message: 'CK-X  the pool is full\n  Mend it.', nonRetryable: true })
  }
  await rig.hint('volume.create.end')
  await eventually('it fails', async () => (await rig.entity.query(statusQuery)).protection === 'failing')
  const details = await currentDetails(rig.entity)
  expect(details).toMatch(/\*\*cinder failed\*\*, next try after \S+Z: CK-X the pool is full Mend it\./)
})

it('says of an archive what asked for it, and of a failed one what to do, without a stack', async () => {
  rig.acts.writeCopy = async () => {
    throw ApplicationFailure.create({ type: 'CK-X', message: 'CK-X  the pool is full\n  Mend it.', nonRetryable: true })
  }
  await rig.hint('volume.create.end')
  const { archive } = await eventually(
    'it runs',
    async () => (await rig.entity.query(statusQuery)).archives[0] ?? false,
  )
  await eventually('it fails', async () => (await rig.entity.query(statusQuery)).protection === 'failing')
  const handle = rig.temporal.client.workflow.getHandle(archive)
  const description = await handle.describe()
  expect(await description.staticSummary()).toContain('→ cinder')
  expect(await description.staticDetails()).toContain('asked for by the notification volume.create.end')
  const details = await currentDetails(handle)
  expect(details).toContain('**cinder: failed**\n\nCK-X  the pool is full\n\nMend it.')
  const { events } = await handle.fetchHistory()
  const failed = events?.at(-1)?.workflowExecutionFailedEventAttributes?.failure
  expect(failed?.message).toContain('CK-ARCHIVE-FAILED')
  expect(failed?.stackTrace ?? '').toBe('')
})
