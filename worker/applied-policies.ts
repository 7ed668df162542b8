import { ScheduleNotFoundError, type Client } from '@temporalio/client'
import type { AppliedPolicies } from '../policy/policy.js'
import { reconcileWorkflowId, workflowTypes } from '../workflows/messages.js'

/** A change of the policies reaches every worker within this time. */
const rememberedMs = 5_000

/**
 * The policies that were applied last in the namespace: they lie in the arguments of the schedule `reconcile`, where they
 * survive every worker and can be read without one. Null when none ever were.
 */
export async function readAppliedPolicies({ schedule }: Pick<Client, 'schedule'>): Promise<AppliedPolicies | null> {
  try {
    const { action } = await schedule.getHandle(reconcileWorkflowId).describe()
    if (action.workflowType !== workflowTypes.reconcile) return null
    return (action.args?.[0] as AppliedPolicies | undefined) ?? null
  } catch (error) {
    if (error instanceof ScheduleNotFoundError) return null
    throw error
  }
}

/** The hash of what was applied, asked for at most once in some seconds however many ask. */
export function rememberedHash(
  client: Pick<Client, 'schedule'>,
  clock: () => number = () => performance.now(),
): () => Promise<string | null> {
  let known: { until: number; answer: Promise<string | null> } | undefined
  return () => {
    if (known === undefined || known.until < clock()) {
      const answer = readAppliedPolicies(client).then((applied) => applied?.policyHash ?? null)
      const asked = { until: clock() + rememberedMs, answer }
      known = asked
      answer.catch(() => {
        if (known === asked) known = undefined
      })
    }
    return known.answer
  }
}
