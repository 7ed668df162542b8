import type { Client } from '@temporalio/client'
import type { UpdateDefinition } from '@temporalio/common'
import { controlQueue, permitsWorkflowId, workflowTypes } from '../workflows/messages.js'
import { pausedMemo, type Pause } from '../workflows/permit-messages.js'
import { bounded } from './call-volume.js'

/** What is paused now; read without any worker. */
export async function readPaused(client: Client): Promise<Record<string, Pause>> {
  const { WorkflowNotFoundError } = await import('@temporalio/client')
  try {
    const { memo } = await bounded(client, () => client.workflow.getHandle(permitsWorkflowId).describe())
    return (memo?.[pausedMemo] ?? {}) as Record<string, Pause>
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return {}
    throw error
  }
}

/** Sends an update to `permits/all`, which is started when it does not run. */
export async function updatePermits<Asked>(
  client: Client,
  update: UpdateDefinition<{ changed: boolean }, [Asked]>,
  asked: Asked,
): Promise<{ changed: boolean }> {
  const { WithStartWorkflowOperation } = await import('@temporalio/client')
  type Permits = (carried?: unknown) => Promise<void>
  return await bounded(client, () =>
    client.workflow.executeUpdateWithStart<Permits, { changed: boolean }, [Asked]>(update, {
      args: [asked],
      startWorkflowOperation: new WithStartWorkflowOperation<Permits>(workflowTypes.permits, {
        workflowId: permitsWorkflowId,
        taskQueue: controlQueue,
        workflowIdConflictPolicy: 'USE_EXISTING',
        args: [],
      }),
    }),
  )
}
