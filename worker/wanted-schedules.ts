import type { ScheduleDescription, ScheduleOptions, ScheduleOptionsStartWorkflowAction } from '@temporalio/client'
import type { Workflow } from '@temporalio/common'
import { readCron, type CronFields } from '../policy/cron.js'
import { writtenSeconds } from '../policy/measures.js'
import type { AppliedPolicies, Policy } from '../policy/policy.js'
import { controlQueue, policyWorkflowId, reconcileWorkflowId, workflowTypes } from '../workflows/messages.js'

/** What starts at its times is not started later than this after Temporal was away. */
const catchupMs = 3_600_000
/** So that the policies of a cloud do not all begin in the same second. */
const jitterMs = 60_000

/** A schedule of ours as it should be. */
export interface WantedSchedule {
  id: string
  /** When it runs, for people. */
  says: string
  /** `every` of the policy; of `reconcile` the seconds between two runs. */
  times: { every: string; fields: CronFields; timezone: string } | { seconds: number }
  options: Pick<ScheduleOptions, 'spec' | 'policies'> & { action: ScheduleOptionsStartWorkflowAction<Workflow> }
  note: string
}

/** One schedule for each policy with `every`: it tells the policy's volumes that they are due. */
export function policySchedules(policies: Policy[]): WantedSchedule[] {
  return policies.flatMap((policy) => {
    const { name, every, timezone } = policy
    if (every === null) return []
    const says = `every "${every}" ${timezone}`
    return {
      id: policyWorkflowId(name),
      says,
      times: { every, fields: readCron(every), timezone },
      options: {
        spec: { cronExpressions: [every], timezone, jitter: jitterMs },
        policies: { overlap: 'SKIP' as const, catchupWindow: catchupMs },
        action: {
          type: 'startWorkflow' as const,
          workflowType: workflowTypes.runPolicy,
          workflowId: policyWorkflowId(name),
          taskQueue: controlQueue,
          args: [{ policy: name }],
          staticSummary: `policy ${name}: tells its volumes that they are due`,
        },
      },
      note: `policies.${name} of cinderkeep.yaml: ${says}. Change it there, then: cinderkeep policy apply`,
    }
  })
}

/** The schedule that looks for what notifications missed; its workflow's argument is the published policy document. */
export function reconcileSchedule(applied: AppliedPolicies, seconds: number): WantedSchedule {
  const says = `every ${writtenSeconds(seconds)}`
  return {
    id: reconcileWorkflowId,
    says,
    times: { seconds },
    options: {
      spec: { intervals: [{ every: seconds * 1000 }] },
      policies: { overlap: 'SKIP', catchupWindow: catchupMs },
      action: {
        type: 'startWorkflow',
        workflowType: workflowTypes.reconcile,
        workflowId: reconcileWorkflowId,
        taskQueue: controlQueue,
        args: [applied],
        staticSummary: 'compares all volumes with what is known of them',
      },
    },
    note: `reconcile of cinderkeep.yaml: ${says}; holds the applied policies. Change it there, then: cinderkeep policy apply`,
  }
}

/** What is different about a schedule, for people; none: it is as it should be. Its being paused is the operator's. */
export function scheduleDifference(wanted: WantedSchedule, found: ScheduleDescription): string[] {
  const { action } = wanted.options
  const differs: string[] = []
  if (!hasTimes(wanted.times, found.spec)) differs.push(`${foundTimes(found)} → ${wanted.says}`)
  if ((found.spec.jitter ?? 0) !== (wanted.options.spec.jitter ?? 0)) differs.push('jitter')
  if (found.policies.overlap !== 'SKIP') differs.push(`overlap: ${found.policies.overlap} → SKIP`)
  if (found.policies.catchupWindow !== catchupMs) differs.push('catchup window')
  const isSame =
    found.action.taskQueue === action.taskQueue &&
    found.action.workflowId === action.workflowId &&
    (wanted.id === reconcileWorkflowId || JSON.stringify(found.action.args) === JSON.stringify(action.args))
  if (!isSame) differs.push('what it starts')
  return differs
}

type Spec = ScheduleDescription['spec']

/** The server keeps ranges of what it was given, not the words. */
function hasTimes(
  times: WantedSchedule['times'],
  { calendars = [], intervals = [], skip = [], ...spec }: Spec,
): boolean {
  if (skip.length > 0 || spec.startAt !== undefined || spec.endAt !== undefined) return false
  if ('seconds' in times) {
    const [interval] = intervals
    return (
      calendars.length === 0 && intervals.length === 1 && interval?.every === times.seconds * 1000 && !interval.offset
    )
  }
  const [calendar] = calendars
  if (calendar === undefined || calendars.length > 1 || intervals.length > 0) return false
  const { fields, timezone } = times
  return (
    (spec.timezone ?? 'UTC') === timezone &&
    covers(calendar.second, [0]) &&
    covers(calendar.minute, fields.minute) &&
    covers(calendar.hour, fields.hour) &&
    covers(calendar.dayOfMonth, fields.dayOfMonth) &&
    covers(calendar.month.map(numbered(months)), fields.month) &&
    covers(calendar.dayOfWeek.map(numbered(days)), fields.dayOfWeek) &&
    calendar.year.length === 0
  )
}

interface NumberRange {
  start: number
  end: number
  step: number
}

function covers(ranges: NumberRange[], wanted: number[]): boolean {
  const values = new Set<number>()
  for (const { start, end, step } of ranges) {
    for (let value = start; value <= Math.max(start, end); value += Math.max(step, 1)) values.add(value)
  }
  return values.size === wanted.length && wanted.every((value) => values.has(value))
}

const months = 'JANUARY FEBRUARY MARCH APRIL MAY JUNE JULY AUGUST SEPTEMBER OCTOBER NOVEMBER DECEMBER'.split(' ')
const days = 'SUNDAY MONDAY TUESDAY WEDNESDAY THURSDAY FRIDAY SATURDAY'.split(' ')

function numbered(names: string[]) {
  const first = names === months ? 1 : 0
  return ({ start, end, step }: { start: string; end: string; step: number }): NumberRange => ({
    start: names.indexOf(start) + first,
    end: names.indexOf(end) + first,
    step,
  })
}

function foundTimes({ spec, state }: ScheduleDescription): string {
  const [interval] = spec.intervals ?? []
  if (interval !== undefined) return `every ${writtenSeconds(interval.every / 1000)}`
  return /every "[^"]*" \S+(?=\. Change)/.exec(state.note ?? '')?.[0] ?? 'other times'
}
