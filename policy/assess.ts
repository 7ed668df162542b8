import { exclusiveEvents } from './events.js'
import type { AssessInput, Decision, Policy, PolicyCopy, VolumeFacts } from './policy.js'
import { select } from './select.js'

/** What a person's archive of a volume that no policy protects is made with. */
const unprotected: Pick<Policy, 'settleSeconds' | 'consistency'> = {
  settleSeconds: 0,
  consistency: { prefer: ['detached', 'crash'], require: 'crash' },
}

/** Whether an archive of one volume is due now, to which targets, and why; sentences for people. */
export function assess(input: AssessInput): Decision {
  const { volume, policies, installation, internalProjectId } = input
  const selection = select(volume, policies, installation, internalProjectId ?? undefined)
  const { policy } = selection
  const { settleSeconds, consistency } = policy ?? unprotected
  const decide = (kind: Decision['kind'], reasons: string[], copies: Decision['copies'] = []): Decision => ({
    kind,
    reasons,
    policy: policy?.name ?? null,
    undecided: selection.undecided,
    settleSeconds,
    consistency,
    copies,
  })

  if (selection.neverBecause !== null) return decide('none', [selection.neverBecause])
  if (policy === null && !(input.manual && input.targets !== null)) {
    const cure = input.manual ? ['Name the targets that a copy shall go to.'] : []
    return decide('none', [...selection.reasons, 'No policy protects it.', ...cure])
  }
  const asked = input.manual ? 'A person asked for it.' : askedBy(input.events, policy)
  if (asked === null) {
    const events = input.events.join(', ')
    return decide('none', [...selection.reasons, `The policy's \`on\` does not hold ${events || 'any event'}.`])
  }

  const reasons = [...selection.reasons, asked]
  const copies = dueCopies(input, policy, reasons)
  if (copies.length === 0) return decide('none', [...reasons, 'None of the targets asked for belongs to the policy.'])
  const hindrance = captureHindrance(volume)
  return hindrance === null
    ? decide('archive', reasons, copies)
    : decide(hindrance.kind, [...reasons, hindrance.reason], copies)
}

function askedBy(events: string[], policy: Policy | null): string | null {
  const due = events.filter((event) => policy?.on.includes(event) === true)
  return due.length === 0 ? null : `${[...new Set(due)].join(', ')} asked for it.`
}

/** The policy's copies that were asked for; a person may also name targets that the policy does not. */
function dueCopies(input: AssessInput, policy: Policy | null, reasons: string[]): Decision['copies'] {
  const configured = policy?.copies ?? []
  const wanted = input.targets ?? configured.map((copy) => copy.target)
  return [...new Set(wanted)].flatMap((target) => {
    const copy = configured.find((one) => one.target === target)
    if (copy === undefined) return input.manual ? [{ target, force: false }] : []
    return [{ target, force: mayForce(copy, input, reasons) }]
  })
}

/** A `force` backup holds the volume; where that is not allowed the copy is a full one, and says so. */
function mayForce({ target, force }: PolicyCopy, { volume, events, manual }: AssessInput, reasons: string[]): boolean {
  if (force === null) return false
  const exclusive = manual ? undefined : events.find((event) => exclusiveEvents.includes(event))
  if (exclusive !== undefined) {
    reasons.push(`The copy on ${target} is a full one: after ${exclusive} the volume may not be held.`)
    return false
  }
  if (volume.sizeGib > force.maxSizeGib) {
    reasons.push(
      `The copy on ${target} is a full one: ${volume.sizeGib} GiB are more than force.maxSize (${force.maxSizeGib} GiB).`,
    )
    return false
  }
  return true
}

/** Cinder takes a snapshot of an `available` or `in-use` volume and of no other. */
function captureHindrance({ status }: VolumeFacts): { kind: 'wait' | 'none'; reason: string } | null {
  if (status === 'available' || status === 'in-use') return null
  if (status.startsWith('error')) {
    return {
      kind: 'wait',
      reason: `Its status is ${status}: Cinder takes no snapshot of it until an administrator has mended it and reset its state.`,
    }
  }
  if (status === 'deleting') return { kind: 'none', reason: 'It is being deleted.' }
  return { kind: 'wait', reason: `Its status is ${status}: Cinder takes a snapshot once it is available or in-use.` }
}
