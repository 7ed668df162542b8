import proto from '@temporalio/proto'
import type { BenchNamespace } from './place.js'

/** How many events of which kind a workflow's history holds, for people: each workflow task is a turn of the server. */
export async function historyOf({ client }: BenchNamespace, workflowId: string, runId?: string): Promise<string> {
  const { events } = await client.workflow.getHandle(workflowId, runId).fetchHistory()
  const counts = new Map<string, number>()
  for (const { eventType } of events ?? []) {
    const name = proto.temporal.api.enums.v1.EventType[eventType ?? 0]?.replace('EVENT_TYPE_', '') ?? 'unknown'
    counts.set(name, (counts.get(name) ?? 0) + 1)
  }
  const of = (name: string) => counts.get(name) ?? 0
  const others = [...counts].filter(([name]) => !/^(WORKFLOW_TASK|ACTIVITY_TASK)_/.test(name))
  return [
    `${String(events?.length ?? 0)} events`,
    `${String(of('WORKFLOW_TASK_COMPLETED'))} workflow tasks`,
    `${String(of('ACTIVITY_TASK_COMPLETED'))} activities`,
    ...others.map(([name, count]) => `${String(count)} ${name.toLowerCase()}`),
  ].join(', ')
}
