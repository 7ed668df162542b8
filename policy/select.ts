import { match } from './match.js'
import { neverSelected } from './never-selected.js'
import type { Policy, Selection, VolumeFacts } from './policy.js'

/**
 * Which policy protects a volume: the first in file order that matches, and exactly that one.
 * @param policies in file order
 * @param installation ours, to tell our own temporary volumes from another installation's
 * @param internalProjectId the cloud's internal project, where known
 */
export function select(
  volume: VolumeFacts,
  policies: Policy[],
  installation: string,
  internalProjectId?: string,
): Selection {
  const neverBecause = neverSelected(volume, installation, internalProjectId)
  if (neverBecause !== null) return { policy: null, neverBecause, reasons: [neverBecause], shadows: [], undecided: [] }

  let selected: Policy | null = null
  const reasons: string[] = []
  const shadows: string[] = []
  const undecided: string[] = []
  for (const policy of policies) {
    const { matches, because } = match(volume, policy.where)
    if (matches === null) {
      // behind the one that protects it, it would protect nothing anyway
      if (selected === null) undecided.push(policy.name)
      reasons.push(`Whether policy ${policy.name} protects it cannot be told: ${because}.`)
    } else if (!matches) {
      reasons.push(`Policy ${policy.name} does not protect it: ${because}.`)
    } else if (selected === null) {
      selected = policy
      reasons.push(`Policy ${policy.name} protects it: ${because}.`)
    } else {
      shadows.push(policy.name)
      reasons.push(`Policy ${policy.name} would match too (${because}), but ${selected.name} stands first in the file.`)
    }
  }
  if (policies.length === 0) reasons.push('No policy is configured.')
  return { policy: selected, neverBecause: null, reasons, shadows, undecided }
}
