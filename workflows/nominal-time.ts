import { defineSearchAttributeKey, SearchAttributeType } from '@temporalio/common'
import { workflowInfo } from '@temporalio/workflow'

const scheduledStartTime = defineSearchAttributeKey('TemporalScheduledStartTime', SearchAttributeType.DATETIME)
const suffix = /-(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z)$/

/**
 * The time at which a schedule wanted this run, ISO 8601 in UTC to the second: what its jitter or an outage added does
 * not count. Of a run that nobody scheduled it is the time at which it was started.
 */
export function nominalTime(): string {
  const { typedSearchAttributes, workflowId, startTime } = workflowInfo()
  const named = suffix.exec(workflowId)?.[1]
  const at = typedSearchAttributes.get(scheduledStartTime) ?? (named === undefined ? startTime : new Date(named))
  return `${at.toISOString().slice(0, 19)}Z`
}
