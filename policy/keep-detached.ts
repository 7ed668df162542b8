import { detachEvents } from './events.js'
import { match } from './match.js'
import { unarchivedDetach } from './missed.js'
import type { AssessInput, Selection } from './policy.js'

/**
 * A policy that selects by server loses a volume with the detach that it wants archived: for that event, and its tries, it
 * still protects what it protected before, if nothing but the server is missing. So it does until a detach is archived that
 * no notification has told of yet, whatever is asked for in between: whoever finds it then must know by which policy.
 */
export function keepDetached(selection: Selection, input: AssessInput): Selection {
  const { volume, policies, events, lastPolicy, last } = input
  const { policy, neverBecause, undecided } = selection
  if (neverBecause !== null || undecided.length > 0 || volume.servers.length > 0) return selection
  const at = policies.findIndex(({ name }) => name === lastPolicy)
  const kept = policies[at]
  // Nova and Cinder both tell of a detach: the one that the policy does not name must not make it forget the volume
  const event = events.find((one) => detachEvents.includes(one))
  if (kept?.where.server === undefined) return selection
  const isMissed = unarchivedDetach(kept, volume, last) !== null
  if (event === undefined && !isMissed) return selection
  if (policy !== null && policies.indexOf(policy) < at) return selection
  const { server, ...where } = kept.where
  if (match(volume, where).matches !== true) return selection
  const reason = `Policy ${kept.name} protected it until ${event ?? 'it was detached'}: no server ("${server.join('" or "')}") has it attached any more.`
  return { ...selection, policy: kept, reasons: [...selection.reasons, reason] }
}
