import { heartbeat } from '@temporalio/activity'
import { WorkflowNotFoundError } from '@temporalio/client'
import type { Brake } from '../workflows/permit-messages.js'
import { workflowTypes } from '../workflows/messages.js'
import { brakeSignal } from '../workflows/permit-messages.js'
import type { Deps } from './control-activities.js'
import { eachOf } from './each-of.js'

/**
 * Tells all running archives how it stands with a scope; each knows itself whether that concerns it.
 * @param also narrows the question, for tests that share a namespace
 */
export function tellBrakes({ workflows }: Pick<Deps, 'workflows'>, also = '') {
  return async (brake: Brake): Promise<void> => {
    const query = `WorkflowType = '${workflowTypes.archiveVolume}' AND ExecutionStatus = 'Running'${also}`
    await eachOf(workflows.list({ query }), async ({ workflowId }) => {
      heartbeat()
      await workflows
        .getHandle(workflowId)
        .signal(brakeSignal, brake)
        .catch((error: unknown) => {
          // it has ended meanwhile
          if (!(error instanceof WorkflowNotFoundError)) throw error
        })
    })
  }
}
