import type { PermitRequest } from '../workflows/permit-messages.js'
import { controlQueue, permitsWorkflowId, workflowTypes } from '../workflows/messages.js'
import { permitReasonsQuery, permitRequestedSignal } from '../workflows/permit-messages.js'
import type { Deps } from './control-activities.js'

/** How long the reasons may take: they are for people, the request is not. */
const reasonsWithinMs = 5000

/**
 * Asks for an archive's permits, or asks again: `permits/all` is started when it does not run. The grant comes as a
 * signal.
 * @returns why the archive has to wait; empty when it need not, or when that could not be told
 */
export function requestPermit({ workflows, log }: Pick<Deps, 'workflows' | 'log'>, taskQueue = controlQueue) {
  return async (request: PermitRequest): Promise<string[]> => {
    const handle = await workflows.signalWithStart<(carried?: unknown) => Promise<void>, [PermitRequest]>(
      workflowTypes.permits,
      {
        ...{ workflowId: permitsWorkflowId, taskQueue, args: [] },
        ...{ signal: permitRequestedSignal, signalArgs: [request] },
        staticSummary: 'who may use targets, backends and policies; what is paused',
      },
    )
    try {
      return await workflows.connection.withDeadline(Date.now() + reasonsWithinMs, async () =>
        workflows.getHandle(handle.workflowId).query(permitReasonsQuery, request.archive),
      )
    } catch (error) {
      log.debug({ archive: request.archive, err: error }, 'why it waits could not be asked')
      return []
    }
  }
}
