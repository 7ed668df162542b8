import type { Client } from '@temporalio/client'
import proto from '@temporalio/proto'

// a CommonJS package whose names Node cannot see
const { TaskQueueType } = proto.temporal.api.enums.v1

/** When each process that asked for tasks of a queue asked last, by Temporal's clock: milliseconds, newest first. */
export async function pollersOf(
  { workflowService, options: { namespace } }: Client,
  queue: string,
  kind: 'workflow' | 'activity',
): Promise<number[]> {
  const { pollers } = await workflowService.describeTaskQueue({
    namespace,
    taskQueue: { name: queue },
    taskQueueType:
      kind === 'workflow' ? TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW : TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY,
  })
  return pollers
    .flatMap(({ lastAccessTime: at }) => (at ? [Number(at.seconds) * 1000 + (at.nanos ?? 0) / 1e6] : []))
    .sort((a, b) => b - a)
}
