import { lastNominal, nextNominal } from './due.js'
import { exclusiveEvents } from './events.js'
import { keepDetached } from './keep-detached.js'
import { missed } from './missed.js'
import type { AssessInput, Decision, Policy, PolicyCopy, VolumeFacts } from './policy.js'
import { select } from './select.js'
import { isOpen, opensAt, writtenWindow } from './window.js'

/** What a person's archive of a volume that no policy protects is made with. */
const unprotected: Pick<Policy, 'settleSeconds' | 'consistency'> = {
  settleSeconds: 0,
  consistency: { prefer: ['detached', 'crash'], require: 'crash' },
}

/** Whether an archive of one volume is due now, to which targets, and why; sentences for people. */
export function assess(input: AssessInput): Decision {
  const { volume, policies, installation, internalProjectId, now } = input
  const found = select(volume, policies, installation, internalProjectId ?? undefined)
  const selection = keepDetached(found, input)
  const { policy } = selection
  const { settleSeconds, consistency } = policy ?? unprotected
  const decide = (kind: Decision['kind'], reasons: string[], more: Partial<Decision> = {}): Decision => ({
    kind,
    reasons,
    policy: policy?.name ?? null,
    settleSeconds: input.events.length > 0 ? settleSeconds : 0,
    rpoSeconds: policy?.rpoSeconds ?? null,
    nextAt: nextAt(policy, now),
    waitUntil: null,
    undecided: selection.undecided,
    consistency,
    server: null,
    copies: [],
    ...more,
  })

  if (selection.neverBecause !== null) return decide('none', [selection.neverBecause])
  if (policy === null && !(input.manual && input.targets !== null)) {
    const cure = input.manual ? ['Name the targets that a copy shall go to.'] : []
    return decide('none', [...selection.reasons, 'No policy protects it.', ...cure])
  }
  const { due, because } = asked(input, policy)
  const reasons = [...selection.reasons, ...because]
  if (!due) return decide('none', reasons)

  // what a policy is kept for is a detach, whoever asks
  const asks = selection === found ? input : { ...input, reconciled: true }
  const copies = dueCopies(asks, policy, reasons)
  if (copies.length === 0) return decide('none', [...reasons, 'None of the targets asked for belongs to the policy.'])
  const hindrance = captureHindrance(volume)
  if (hindrance?.kind === 'none') return decide('none', [...reasons, hindrance.reason])
  const closed = input.manual ? null : closedWindow(policy, now)
  if (closed !== null) return decide('wait', [...reasons, closed.reason], { copies, waitUntil: closed.until })
  if (hindrance !== null) return decide('wait', [...reasons, hindrance.reason], { copies })
  return decide('archive', reasons, { copies, server: serverOf(policy, volume) })
}

/** Whether one of those who asked has a reason to; what they said, in either case. */
function asked(input: AssessInput, policy: Policy | null): { due: boolean; because: string[] } {
  if (input.manual) return { due: true, because: ['A person asked for it.'] }
  const because: string[] = []
  const due = [...new Set(input.events)].filter((event) => policy?.on.includes(event) === true)
  if (due.length > 0) because.push(`${due.join(', ')} asked for it.`)
  if (input.scheduled && policy !== null && policy.every !== null && !isCaughtUp(input, policy)) {
    because.push(`The schedule of policy ${policy.name} asked for it (every "${policy.every}", ${policy.timezone}).`)
  }
  if (input.grouped && policy?.protect === 'servers') {
    because.push(`Its server is captured with all volumes that policy ${policy.name} protects.`)
  }
  const trace = input.reconciled && policy !== null ? missed(policy, input.volume, input.last, input.now) : null
  if (trace !== null) because.push(trace)
  if (because.length > 0) return { due: true, because }
  return { due: false, because: refusals(input, policy) }
}

/** A server's volumes are told one after the other, and captured together when the first of them was. */
function isCaughtUp({ last, now }: AssessInput, { protect, every, timezone }: Policy): boolean {
  if (protect !== 'servers' || last === null || every === null) return false
  const nominal = lastNominal({ every, timezone }, now)
  return nominal !== null && Date.parse(last.capturedAt) >= nominal
}

/** Of one that several servers have attached, the same each time; all of them are frozen. */
function serverOf(policy: Policy | null, { servers }: VolumeFacts): Decision['server'] {
  if (policy?.protect !== 'servers') return null
  return [...servers].sort((a, b) => (a.id < b.id ? -1 : 1))[0] ?? null
}

function refusals(input: AssessInput, policy: Policy | null): string[] {
  const { events, scheduled, grouped, reconciled } = input
  const named = [...new Set(events)].join(', ')
  if (scheduled && policy !== null && isCaughtUp(input, policy)) {
    return ['It was captured with its server since the schedule asked for it.']
  }
  return [
    ...(grouped ? ['No policy captures its server as a whole.'] : []),
    ...(named === '' ? [] : [`The policy's \`on\` does not hold ${named}.`]),
    ...(scheduled ? [`Policy ${policy?.name ?? ''} has no \`every\`.`] : []),
    ...(reconciled ? ['Nothing was missed.'] : []),
    ...(named === '' && !scheduled && !reconciled && !grouped ? ["The policy's `on` does not hold any event."] : []),
  ]
}

function nextAt(policy: Policy | null, now: number): string | null {
  if (policy === null || policy.every === null) return null
  const at = nextNominal({ every: policy.every, timezone: policy.timezone }, now)
  return at === null ? null : new Date(at).toISOString()
}

function closedWindow(policy: Policy | null, now: number): { reason: string; until: string } | null {
  if (policy === null || policy.window === null || isOpen(policy.window, policy.timezone, now)) return null
  const until = new Date(opensAt(policy.window, policy.timezone, now)).toISOString()
  const written = `${writtenWindow(policy.window)} ${policy.timezone}`
  return { until, reason: `The window of policy ${policy.name} (${written}) is closed until ${until.slice(0, 19)}Z.` }
}

/** The policy's copies that were asked for; a person may also name targets that the policy does not. */
function dueCopies(input: AssessInput, policy: Policy | null, reasons: string[]): Decision['copies'] {
  const configured = policy?.copies ?? []
  const wanted = input.targets ?? configured.map((copy) => copy.target)
  return [...new Set(wanted)].flatMap((target) => {
    const copy = configured.find((one) => one.target === target)
    if (copy === undefined) return input.manual ? [{ target, force: false }] : []
    return [{ target, force: mayForce(copy, input, policy, reasons) }]
  })
}

/** A `force` backup holds the volume; where that is not allowed the copy is a full one, and says so. */
function mayForce(
  { target, force }: PolicyCopy,
  input: AssessInput,
  policy: Policy | null,
  reasons: string[],
): boolean {
  if (force === null) return false
  const { volume, events, reconciled, manual, now } = input
  const timezone = policy?.timezone ?? 'UTC'
  // what `reconcile` found may be such an event; and a `force` backup changes the volume, so that it would be found again
  const asked = reconciled ? [...events, ...(policy?.on ?? [])] : events
  const exclusive = manual ? undefined : asked.find((event) => exclusiveEvents.includes(event))
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
  if (force.window !== null && !isOpen(force.window, timezone, now)) {
    const written = `${writtenWindow(force.window)} ${timezone}`
    reasons.push(`The copy on ${target} is a full one: it is outside force.window (${written}).`)
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
