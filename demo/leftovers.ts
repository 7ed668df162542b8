import { workflowTypes } from '../workflows/messages.js'
import type { Play } from './acts.js'
import { waitFor } from './watch.js'

/** Waits until no archive runs, then looks for what should not be there: in the cloud, and copies made twice. */
export async function checkLeftovers({ stage, script }: Play, tenantVolumes: number): Promise<void> {
  const query = `WorkflowType = '${workflowTypes.archiveVolume}'`
  await waitFor('the end of all archives', async () => {
    const { count } = await stage.client.workflow.count(`${query} AND ExecutionStatus = 'Running'`)
    return count === 0 ? true : null
  })
  await stage.sandbox.idle()
  const { state } = stage.sandbox
  const snapshots = [...state.snapshots.values()].filter(({ name }) => name?.startsWith('ck-'))
  script.check(`no snapshot of ours is left: ${snapshots.map(({ id }) => id).join(', ')}`, snapshots.length === 0)
  const extra = [...state.volumes.values()].filter(({ name }) => name?.startsWith('ck-'))
  script.check(`no temporary volume is left: ${extra.map(({ name }) => name ?? '').join(', ')}`, extra.length === 0)
  script.check('only the tenants’ volumes are there', state.volumes.size === tenantVolumes)
  const { count: archives } = await stage.client.workflow.count(query)
  script.check(
    `${archives} archives made ${archives} backups, not ${state.backups.size}`,
    state.backups.size === archives,
  )
  script.say('no snapshot, temporary or scratch volume is left in the cloud, and no backup was made twice')
}
