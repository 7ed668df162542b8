import type { ApplyPlan } from '../../worker/schedules.js'
import { count } from '../words.js'
import { fault, ok, warning, type Check, type Finding } from './check.js'

/** Whether the workers go by the policies of this file. */
export const policiesCheck: Check = {
  name: 'policies',
  run: async ({ config, plan, started }) => [judgeApplied(await plan.reach(), config.policies.length, await started())],
}

/** @param started `cinderkeep run` ran here before; it applies the first ones */
export function judgeApplied({ before, policies, publishes }: ApplyPlan, amount: number, started: boolean): Finding {
  if (before === null) {
    const tell = started ? fault : warning
    const cure = 'cinderkeep policy apply; the first `cinderkeep run` does it by itself.'
    return tell('CK-POLICY-NOT-APPLIED', 'no policies are applied yet', cure)
  }
  if (!publishes)
    return ok(`${count(amount, 'policy is', 'policies are')} applied as in the file, since ${before.appliedAt}`)
  const changes = policies.map(({ policy, kind }) => `${policy} is ${kind}`).join(', ') || 'worded differently'
  return fault(
    'CK-POLICY-DIFFERS',
    `the file's policies are not those that were applied ${before.appliedAt}: ${changes}`,
    'cinderkeep policy apply shows the difference and asks; or give this machine the file that was applied.',
  )
}
