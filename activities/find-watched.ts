import { defineSearchAttributeKey, SearchAttributeType } from '@temporalio/common'
import type { Watched } from '../policy/compare.js'
import { volumeWorkflowId, workflowTypes } from '../workflows/messages.js'
import type { Deps } from './control-activities.js'

export interface WatchedVolume extends Watched {
  name: string | null
  project: string | null
}

// as workflows/search-attributes.ts registers them
const keyword = (name: string) => defineSearchAttributeKey(name, SearchAttributeType.KEYWORD)
const [name, project, policy, protection, consistency] = [
  keyword('name'),
  keyword('project'),
  keyword('policy'),
  keyword('protection'),
  keyword('consistency'),
]
const verified = defineSearchAttributeKey('verified', SearchAttributeType.DATETIME)

/** Every volume that has a workflow, by its id, with what the columns say. */
export async function findWatched({ workflows }: Pick<Deps, 'workflows'>): Promise<Map<string, WatchedVolume>> {
  const found = new Map<string, WatchedVolume>()
  const query = `WorkflowType = '${workflowTypes.watchVolume}' AND ExecutionStatus = 'Running'`
  for await (const { workflowId, typedSearchAttributes: columns } of workflows.list({ query })) {
    const capturedAt = columns.get(verified)?.toISOString()
    found.set(workflowId.slice(volumeWorkflowId('').length), {
      name: columns.get(name) ?? null,
      project: columns.get(project) ?? null,
      policy: columns.get(policy) ?? null,
      protection: columns.get(protection) ?? null,
      last: capturedAt === undefined ? null : { capturedAt, consistency: consistencyOf(columns.get(consistency)) },
    })
  }
  return found
}

function consistencyOf(text: string | undefined) {
  return text === 'detached' || text === 'frozen' ? text : 'crash'
}
