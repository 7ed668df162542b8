import { CodedError } from '../errors/coded-error.js'
import type { Deps } from './control-activities.js'

/**
 * Two workers with different files would decide differently about the same volume: only those whose policies are the
 * applied ones decide.
 * @throws CodedError `CK-POLICY-DIFFERS`
 */
export async function refuseOtherPolicies({
  appliedPolicyHash,
  policyHash,
}: Pick<Deps, 'appliedPolicyHash' | 'policyHash'>): Promise<void> {
  const applied = await appliedPolicyHash()
  if (applied === null || applied === policyHash) return
  throw new CodedError(
    'CK-POLICY-DIFFERS',
    `this worker's policies (${policyHash.slice(0, 12)}) are not the ones that were applied (${applied.slice(0, 12)})`,
    {
      cure: 'Apply the policies of its file: cinderkeep policy apply. Or give the worker the file that was applied, and restart it.',
    },
  )
}
