import type { Client, WorkflowExecutionDescription } from '@temporalio/client'
import { defaultPayloadConverter } from '@temporalio/common'
import type { Progress } from '../targets/target.js'
import { bounded, grpcCode } from './call-volume.js'
import type { Meter } from './meter.js'

/** What the server says of a workflow; null: it knows none, or not yet. */
export async function describeWorkflow(
  client: Client,
  workflowId: string,
): Promise<WorkflowExecutionDescription | null> {
  try {
    return await bounded(client, () => client.workflow.getHandle(workflowId).describe())
  } catch (error) {
    const notFound = 5
    if (grpcCode(error) === notFound || (error instanceof Error && error.name === 'WorkflowNotFoundError')) return null
    throw error
  }
}

/** Phase, bytes, share, rate and time to go of each act that reports them, and what a retry waits for. */
export function progressOf(description: WorkflowExecutionDescription, meterOf: (act: string) => Meter): string {
  const shown = (description.raw.pendingActivities ?? []).map((activity) => {
    const name = activity.activityType?.name ?? 'an act'
    const [payload] = activity.heartbeatDetails?.payloads ?? []
    const progress = payload == null ? null : defaultPayloadConverter.fromPayload<Progress>(payload)
    const attempt = activity.attempt ?? 1
    const failed = activity.lastFailure?.message?.split('\n')[0]
    const again = attempt > 1 && failed !== undefined ? ` (try ${attempt}, after: ${failed})` : ''
    return `${progress === null ? name : meterOf(activity.activityId ?? name).read(progress)}${again}`
  })
  return shown.length === 0 ? 'running' : shown.join('; ')
}
