import { isGrpcServiceError, ServiceError } from '@temporalio/client'
import type { Hint } from '../workflows/messages.js'
import { controlQueue, hintSignal, volumeWorkflowId, workflowTypes } from '../workflows/messages.js'
import type { Deps } from './control-activities.js'

const deadlineMs = 10_000

/** gRPC codes that are about this one workflow: it has taken too many signals, or what it is told is not accepted. */
const refusals = [3, 9]

/**
 * Tells a volume's workflow to look, and starts it where there is none. Telling twice is telling once: it remembers
 * message ids.
 * @returns null, or why Temporal refused it for this volume; every other failure is thrown, for the next try
 */
export async function hintVolume(
  { workflows }: Pick<Deps, 'workflows'>,
  volumeId: string,
  hint: Hint,
  taskQueue = controlQueue,
) {
  try {
    await workflows.withDeadline(Date.now() + deadlineMs, () =>
      workflows.signalWithStart(workflowTypes.watchVolume, {
        workflowId: volumeWorkflowId(volumeId),
        taskQueue,
        signal: hintSignal,
        signalArgs: [[hint]],
      }),
    )
    return null
  } catch (error) {
    const cause: unknown = error instanceof ServiceError ? error.cause : error
    if (isGrpcServiceError(cause) && refusals.includes(cause.code)) return cause.details
    throw error
  }
}
