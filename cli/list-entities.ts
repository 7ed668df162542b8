import type { Client } from '@temporalio/client'
import type { Protection } from '../workflows/messages.js'
import { volumeWorkflowId, workflowTypes } from '../workflows/messages.js'

/** What the columns of the Temporal UI tell of a volume's workflow. */
export interface Entity {
  volumeId: string
  name: string | null
  project: string | null
  policy: string | null
  /** null: no verified point yet, but there is time. */
  protection: Protection | null
  /** When the last verified point was captured, ISO 8601. */
  verifiedAt: string | null
  /** When it will do something next, ISO 8601. */
  dueAt: string | null
  points: number
}

/** Every volume that has a workflow, by its id. */
export async function listEntities(client: Client): Promise<Map<string, Entity>> {
  const query = `WorkflowType = '${workflowTypes.watchVolume}' AND ExecutionStatus = 'Running'`
  const entities = new Map<string, Entity>()
  for await (const { workflowId, typedSearchAttributes } of client.workflow.list({ query })) {
    const columns = new Map(typedSearchAttributes.getAll().map(({ key, value }) => [key.name, value]))
    const text = (name: string): string | null => {
      const value = columns.get(name)
      return typeof value === 'string' ? value : null
    }
    const time = (name: string): string | null => {
      const value = columns.get(name)
      return value instanceof Date ? value.toISOString().replace('.000Z', 'Z') : null
    }
    const points = columns.get('points')
    const volumeId = workflowId.slice(volumeWorkflowId('').length)
    entities.set(volumeId, {
      volumeId,
      name: text('name'),
      project: text('project'),
      policy: text('policy'),
      protection: text('protection') as Protection | null,
      verifiedAt: time('verified'),
      dueAt: time('due'),
      points: typeof points === 'number' ? points : 0,
    })
  }
  return entities
}
