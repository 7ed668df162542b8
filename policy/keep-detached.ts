import { detachEvents } from './events.js'
import { match } from './match.js'
import type { AssessInput, Selection } from './policy.js'

/**
 * A policy that selects by server loses a volume with the detach that it wants archived: for that event, and its tries, it
 * still protects what it protected before, if nothing but the server is missing.
 */
export function keepDetached(selection: Selection, { volume, policies, events, lastPolicy }: AssessInput): Selection {
  const { policy, neverBecause, undecided } = selection
  if (neverBecause !== null || undecided.length > 0 || volume.servers.length > 0) return selection
  const at = policies.findIndex(({ name }) => name === lastPolicy)
  const kept = policies[at]
  // Nova and Cinder both tell of a detach: the one that the policy does not name must not make it forget the volume
  const event = events.find((one) => detachEvents.includes(one))
  if (kept?.where.server === undefined || event === undefined) return selection
  if (policy !== null && policies.indexOf(policy) < at) return selection
  const { server, ...where } = kept.where
  if (match(volume, where).matches !== true) return selection
  const reason = `Policy ${kept.name} protected it until ${event}: no server ("${server.join('" or "')}") has it attached any more.`
  return { ...selection, policy: kept, reasons: [...selection.reasons, reason] }
}
