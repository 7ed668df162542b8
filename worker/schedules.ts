/** Temporal's schedules, made equal to the policies of a file. Changes nothing but what is ours. */
import {
  ScheduleAlreadyRunning,
  ScheduleNotFoundError,
  type Client,
  type ScheduleDescription,
  type ScheduleHandle,
} from '@temporalio/client'
import { CodedError } from '../errors/coded-error.js'
import { policyDifference, type PolicyChange } from '../policy/difference.js'
import { policyHash } from '../policy/policy-hash.js'
import type { AppliedPolicies, Policy } from '../policy/policy.js'
import { policyWorkflowId, reconcileWorkflowId, workflowTypes } from '../workflows/messages.js'
import { policySchedules, reconcileSchedule, scheduleDifference, type WantedSchedule } from './wanted-schedules.js'

type Schedules = Pick<Client, 'schedule'>

/** What is to be done to one schedule. */
export interface ScheduleChange {
  schedule: string
  kind: 'created' | 'changed' | 'deleted'
  /** For people: its times; what is different about it. */
  changes: string[]
}

/** What applying a file's policies would change. */
export interface ApplyPlan {
  policyHash: string
  /** What is applied now; null: nothing ever was. */
  before: AppliedPolicies | null
  policies: PolicyChange[]
  schedules: ScheduleChange[]
  /** Schedules of ours that somebody paused by hand; they stay so. */
  paused: string[]
  /** The document is another, or its schedule is. */
  publishes: boolean
}

interface PoliciesOfFile {
  policies: Policy[]
  reconcileSeconds: number
}

/**
 * Compares; changes nothing.
 * @throws CodedError `CK-SCHEDULE-FOREIGN` when somebody else's schedule has the id of one of ours
 */
export async function planApply(client: Schedules, { policies, reconcileSeconds }: PoliciesOfFile): Promise<ApplyPlan> {
  const hash = policyHash(policies)
  const reconcile = await describeOurs(client, reconcileWorkflowId, workflowTypes.reconcile)
  const before = (reconcile?.action.args?.[0] as AppliedPolicies | undefined) ?? null
  const wanted = policySchedules(policies)
  const plan: ApplyPlan = {
    ...{ policyHash: hash, before, schedules: [], paused: [] },
    policies: policyDifference(before?.policies ?? [], policies),
    publishes: before?.policyHash !== hash,
  }
  const compare = (one: WantedSchedule, found: ScheduleDescription | null) => {
    const changes = found === null ? [one.says] : scheduleDifference(one, found)
    if (found?.state.paused === true) plan.paused.push(one.id)
    if (changes.length > 0)
      plan.schedules.push({ schedule: one.id, kind: found === null ? 'created' : 'changed', changes })
  }
  for (const one of wanted) compare(one, await describeOurs(client, one.id, workflowTypes.runPolicy))
  for (const id of await obsolete(client, before, wanted)) {
    plan.schedules.push({ schedule: id, kind: 'deleted', changes: [] })
  }
  compare(reconcileSchedule({ policyHash: hash, policies, appliedAt: '' }, reconcileSeconds), reconcile)
  return plan
}

export function changesNothing({ publishes, schedules }: ApplyPlan): boolean {
  return !publishes && schedules.length === 0
}

/**
 * Does what `planApply` planned: the schedules first, the published document last, so that whatever is interrupted is
 * still seen as different, and is done by applying again.
 * @throws CodedError `CK-SCHEDULE-REFUSED` when Temporal does not take one
 */
export async function apply(
  client: Schedules,
  { policies, reconcileSeconds }: PoliciesOfFile,
  plan: ApplyPlan,
): Promise<void> {
  for (const one of policySchedules(policies)) {
    const change = plan.schedules.find(({ schedule }) => schedule === one.id)
    if (change !== undefined) await put(client, one)
  }
  for (const { schedule, kind } of plan.schedules) if (kind === 'deleted') await remove(client, schedule)
  const applied = { policyHash: plan.policyHash, policies, appliedAt: new Date().toISOString() }
  if (!changesNothing(plan)) await put(client, reconcileSchedule(applied, reconcileSeconds))
}

/**
 * Applies a file's policies where none ever were. Two workers that do so at once: one of them is the first.
 * @returns false when another one was
 */
export async function applyFirst(client: Schedules, file: PoliciesOfFile): Promise<boolean> {
  for (const one of policySchedules(file.policies)) await put(client, one)
  const { policies, reconcileSeconds } = file
  const applied = { policyHash: policyHash(policies), policies, appliedAt: new Date().toISOString() }
  try {
    await create(client, reconcileSchedule(applied, reconcileSeconds))
    return true
  } catch (error) {
    if (error instanceof ScheduleAlreadyRunning) return false
    throw error
  }
}

async function describeOurs({ schedule }: Schedules, id: string, type: string): Promise<ScheduleDescription | null> {
  const found = await orNull(schedule.getHandle(id).describe())
  if (found === null || found.action.workflowType === type) return found
  throw new CodedError(
    'CK-SCHEDULE-FOREIGN',
    `schedule "${id}" starts workflows of type ${found.action.workflowType}: it is not Cinderkeep's, and is left alone`,
    { cure: 'Give Cinderkeep a namespace of its own (temporal.namespace), or rename the other schedule.' },
  )
}

/** Schedules of policies that have no `every` any more. The list of all is late by moments; what was applied is not. */
async function obsolete(
  client: Schedules,
  before: AppliedPolicies | null,
  wanted: WantedSchedule[],
): Promise<string[]> {
  const ids = new Set((before?.policies ?? []).map(({ name }) => policyWorkflowId(name)))
  for await (const { scheduleId, action } of client.schedule.list()) {
    if (action?.workflowType === workflowTypes.runPolicy) ids.add(scheduleId)
  }
  for (const { id } of wanted) ids.delete(id)
  const found = await Promise.all([...ids].map((id) => orNull(client.schedule.getHandle(id).describe())))
  return found.flatMap((one) => (one?.action.workflowType === workflowTypes.runPolicy ? [one.scheduleId] : [])).sort()
}

async function put(client: Schedules, wanted: WantedSchedule): Promise<void> {
  const handle = client.schedule.getHandle(wanted.id)
  if ((await orNull(handle.describe())) !== null) {
    await update(handle, wanted)
    return
  }
  try {
    await create(client, wanted)
  } catch (error) {
    if (!(error instanceof ScheduleAlreadyRunning)) throw error
    await update(handle, wanted)
  }
}

async function create({ schedule }: Schedules, { id, options, note }: WantedSchedule): Promise<void> {
  await taken(id, schedule.create({ scheduleId: id, ...options, state: { note } }))
}

/** Whoever paused it said why in its note. */
async function update(handle: ScheduleHandle, { id, options, note }: WantedSchedule): Promise<void> {
  const change = handle.update(({ state }) => ({
    ...options,
    state: state.paused ? { paused: true, ...(state.note !== undefined && { note: state.note }) } : { note },
  }))
  await taken(id, change)
}

async function remove({ schedule }: Schedules, id: string): Promise<void> {
  await orNull(schedule.getHandle(id).delete())
}

async function taken(id: string, asked: Promise<unknown>): Promise<void> {
  try {
    await asked
  } catch (error) {
    const said = refusalOf(error)
    if (said === null) throw error
    throw new CodedError('CK-SCHEDULE-REFUSED', `Temporal does not take schedule "${id}": ${said}`, {
      cure: 'Nothing was published. A time zone that its server does not know? Then install tzdata there, or name another.',
      cause: error,
    })
  }
}

const invalidArgument = 3

function refusalOf(error: unknown): string | null {
  // what the SDK makes of times that the server cannot read
  if (error instanceof TypeError) return error.message
  for (let one: unknown = error; one instanceof Error; one = one.cause) {
    if ('code' in one && one.code === invalidArgument && 'details' in one) return String(one.details)
  }
  return null
}

async function orNull<T>(asked: Promise<T>): Promise<T | null> {
  try {
    return await asked
  } catch (error) {
    if (error instanceof ScheduleNotFoundError) return null
    throw error
  }
}
