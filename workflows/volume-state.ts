/** What a volume's workflow remembers, and the plain rules by which it changes. Pure: no timers, no activities. */
import type { ArchiveOutcome, Hint, TargetOutcome, VerifyNow, VolumeStatus } from './messages.js'
import type { Burst, RunningArchive, VolumeState, Want } from './volume-memory.js'
import { eventSlot, groupEvent, isDeferral, manualSlotPrefix, reconcileEvent, scheduleEvent } from './messages.js'
import { protectionOf, overdueAt } from './protection.js'
import { backoffMs } from './retry-pause.js'
import { dropPartial, isBad, lastGood, lastVerified, putArchived, trimPoints } from './volume-points.js'

/** Message ids that are remembered; notifications are doubled within minutes, not after hundreds of others. */
const seenLimit = 256
/** They become part of a workflow id, of which Temporal takes a thousand characters. */
const longestText = 256
/** How often a slot is archived again because its copy came out damaged. */
const damagedTries = 3

export function freshState(): VolumeState {
  return {
    name: null,
    project: null,
    policy: null,
    points: [],
    trimmed: false,
    seen: [],
    burst: null,
    running: {},
    archives: [],
    wants: {},
    tries: {},
    asked: [],
    refused: [],
    verifications: [],
    foundBad: null,
    rebuilding: null,
    silent: {},
    leftovers: [],
    sourceGone: false,
    rpoSeconds: null,
    nextAt: null,
    protectedSince: null,
    lastNominal: {},
    cancelledAt: null,
    lastReasons: [],
  }
}

/** State that a run of an older version carried, which may lack what was added since. */
export function completeState(carried: VolumeState): VolumeState {
  const { burst, archives, wants } = carried
  return {
    ...completed(freshState(), carried),
    burst: burst === null ? null : completed({ waitsForWindow: false }, burst),
    archives: archives.map(completeArchive),
    wants: Object.fromEntries(
      Object.entries(wants).map(([target, want]) => [target, completed({ deferrals: 0 }, want)]),
    ),
  }
}

/** An archive as an older version noted it. */
export function completeArchive(archive: RunningArchive): RunningArchive {
  return completed({ deferrals: 0 }, archive)
}

function completed<T extends object>(defaults: Partial<T>, older: T): T {
  return { ...defaults, ...older }
}

/** What survives an operator's Cancel: everything but the points, which are read again from the targets. */
export function forgetPoints(state: VolumeState): VolumeState {
  return { ...state, points: [], trimmed: false, rebuilding: null, silent: {} }
}

/**
 * Hints that arrive before the capture join the burst that waits for it; the first names the slot. Of a policy's nominal
 * times only newer ones count: a schedule that catches up tells them late and out of order. What has not the shape of a
 * hint (anybody can send a signal in the UI) is left out: an exception would stop the workflow for ever.
 */
export function addHints(state: VolumeState, hints: unknown, now: number): void {
  for (const hint of Array.isArray(hints) ? hints : []) {
    if (!isHint(hint)) continue
    if (state.seen.includes(hint.messageId)) continue
    state.seen = [...state.seen, hint.messageId].slice(-seenLimit)
    if (hint.nominal !== undefined && !isNewNominal(state, hint.nominal)) continue
    state.burst ??= {
      ...{ slot: eventSlot(hint), events: [], firstAt: now, dueAt: now, failures: 0, waitsForWindow: false },
      lastPolicy: state.policy,
    }
    if (!state.burst.events.includes(hint.event)) state.burst.events.push(hint.event)
    // whatever made looking fail may have ended with this event; and the volume may be gone before its window opens
    if (isPutOff(state.burst)) state.burst.dueAt = Math.min(state.burst.dueAt, now)
  }
}

/** Notes a nominal time. @returns false when the same or a newer one of the policy was told before */
function isNewNominal(state: VolumeState, { policy, at }: NonNullable<Hint['nominal']>): boolean {
  const last = state.lastNominal[policy]
  if (last !== undefined && Date.parse(at) <= Date.parse(last)) return false
  state.lastNominal = { ...state.lastNominal, [policy]: at }
  return true
}

function isPutOff({ failures, waitsForWindow }: Burst): boolean {
  return failures > 0 || waitsForWindow
}

/** How long a burst waits for more hints; what we ask for ourselves has no other events to wait for. */
export function settleMs({ events }: Burst, settleSeconds: number): number {
  const ownEvents = [scheduleEvent, reconcileEvent, groupEvent]
  return events.every((event) => ownEvents.includes(event)) ? 0 : settleSeconds * 1000
}

function isHint(hint: unknown): hint is Hint {
  const { messageId, event, nominal } = (hint ?? {}) as Partial<Record<keyof Hint, unknown>>
  if (typeof messageId !== 'string' || typeof event !== 'string') return false
  if (messageId.length > longestText || event.length > longestText) return false
  if (nominal === undefined) return true
  const { policy, at } = (nominal ?? {}) as Partial<Record<'policy' | 'at', unknown>>
  if (typeof policy !== 'string' || typeof at !== 'string') return false
  return policy.length + at.length <= longestText && !Number.isNaN(Date.parse(at))
}

/** Takes the burst to be looked at: hints that come meanwhile open another one. */
export function takeBurst(state: VolumeState): Burst | null {
  const { burst } = state
  state.burst = null
  return burst
}

/** It is to be looked at again: what came meanwhile joins it. */
export function putBurstBack(state: VolumeState, burst: Burst, dueAt: number): void {
  const came = state.burst?.events ?? []
  const due = state.burst === null ? dueAt : Math.min(dueAt, state.burst.dueAt)
  const waits = isPutOff(burst) ? due : dueAt
  state.burst = { ...burst, events: [...new Set([...burst.events, ...came])], dueAt: waits }
}

/** Targets whose lane is held, or that have not yet said what they hold: nothing may be written to them. */
export function isBlocked(state: VolumeState, target: string): boolean {
  return state.running[target] !== undefined || state.rebuilding === null || state.rebuilding.includes(target)
}

/**
 * What a person wants read back and can be begun with. A copy that its own archive still writes or reads back waits: both
 * would use the same scratch volume.
 */
export function nextVerification({ verifications, archives }: VolumeState): VerifyNow | undefined {
  const isOf = (point: string, { archiveId }: RunningArchive) => point.endsWith(`-${archiveId.slice(0, 8)}`)
  return verifications.find(({ point }) => !archives.some((archive) => isOf(point, archive)))
}

/** When the next timer must ring, to act or because its protection changes: milliseconds since the epoch, or null. */
export function nextAlarm(state: VolumeState, now: number): number | null {
  const overdue = overdueAt(state)
  const alarms = [nextAct(state), overdue !== null && overdue > now ? overdue : null].filter((at) => at !== null)
  return alarms.length === 0 ? null : Math.min(...alarms)
}

/** When it will do something next, as far as it knows: a retry, what waits, or the schedule's next time. */
export function dueAt(state: VolumeState, now: number): number | null {
  const act = nextAct(state)
  const scheduled = state.nextAt === null ? null : Date.parse(state.nextAt)
  // a schedule that is late is no news while there is something else to come
  if (act === null || scheduled === null) return act ?? scheduled
  return scheduled > now ? Math.min(act, scheduled) : act
}

function nextAct(state: VolumeState): number | null {
  const alarms = Object.entries(state.wants)
    .filter(([target]) => !isBlocked(state, target))
    .map(([, want]) => want.at)
  if (state.burst !== null) alarms.push(state.burst.dueAt)
  return alarms.length === 0 ? null : Math.min(...alarms)
}

/** The number of the next try for a slot; every archive of a slot has its own. */
export function nextTry(state: VolumeState, slot: string): number {
  return (state.tries[slot] ?? 0) + 1
}

export function holdLanes(state: VolumeState, archive: RunningArchive): void {
  state.archives.push(archive)
  state.tries[archive.slot] = Math.max(archive.attempt, state.tries[archive.slot] ?? 0)
  for (const target of archive.targets) {
    state.running[target] = archive.archive
    state.wants = without(state.wants, target)
  }
}

function without<T>(record: Record<string, T>, name: string): Record<string, T> {
  return Object.fromEntries(Object.entries(record).filter(([key]) => key !== name))
}

export function freeLane(state: VolumeState, archive: string, target: string): void {
  if (state.running[target] !== archive) return
  state.running = without(state.running, target)
}

/** An archive ended: its lanes are free, its point is kept, failed targets are wanted again later. */
export function endArchive(
  state: VolumeState,
  ended: RunningArchive,
  outcome: ArchiveOutcome | null,
  options: { now: number; retry: boolean; failure: string | null; isCancelled?: boolean },
): void {
  for (const target of ended.targets) freeLane(state, ended.archive, target)
  state.archives = state.archives.filter(({ archive }) => archive !== ended.archive)
  const isAskedFor = ended.slot.startsWith(manualSlotPrefix)
  if (options.isCancelled === true && !isAskedFor) state.cancelledAt = new Date(options.now).toISOString()
  const outcomes = outcome?.targets ?? []
  for (const { target, copy } of outcomes) {
    if (copy !== null) putArchived(state, copy)
    else dropPartial(state, ended.archiveId, target)
  }
  trimPoints(state)
  state.verifications.push(...outcomes.flatMap(({ copy, failure }) => toReadLater(copy, failure)))
  if (options.retry) {
    for (const target of ended.targets) {
      if (state.wants[target] !== undefined) continue
      const its = outcomes.find((one) => one.target === target)
      const want = wantAgain(ended, its, options)
      if (want !== null) state.wants[target] = want
    }
  }
  forgetTries(state)
}

/** A target that got no good copy: when to try the slot again, if that makes sense. */
function wantAgain(
  ended: RunningArchive,
  outcome: TargetOutcome | undefined,
  { now, failure }: { now: number; failure: string | null },
): Want | null {
  const reason = outcome?.failure?.message ?? failure
  if (reason === null) return null
  const { slot, events, lastPolicy } = ended
  let { failures, deferrals } = ended
  const wasDeferred = outcome !== undefined && isDeferral(outcome)
  if (wasDeferred) deferrals += 1
  else failures += 1
  // a person sees that it failed, and asks again; what is only put off comes by itself
  if (slot.startsWith(manualSlotPrefix) && !wasDeferred) return null
  if (isPointless(outcome, failures)) return null
  const at = now + backoffMs(wasDeferred ? deferrals : failures)
  return { slot, events, reason, failures, deferrals, at, ...(lastPolicy !== undefined && { lastPolicy }) }
}

/** A whole copy that was not read back for want of room: another one would need more room, this one is read later. */
function toReadLater(copy: TargetOutcome['copy'], failure: TargetOutcome['failure']): VerifyNow[] {
  if (copy?.state !== 'unverified' || !isDeferral({ failure })) return []
  const { archiveId, point, target } = copy
  return [{ id: `${archiveId}-${target}`, point, targets: [target], patient: true }]
}

/** Slots that nothing refers to any more need no count of tries. */
function forgetTries(state: VolumeState): void {
  const slots = new Set([...state.archives, ...Object.values(state.wants), ...state.asked].map(({ slot }) => slot))
  state.tries = Object.fromEntries(Object.entries(state.tries).filter(([slot]) => slots.has(slot)))
}

/**
 * Writing again cannot help a copy that is whole but could not be read back, and copies that come out damaged again and
 * again would only fill the target: they are told, and the next event tries anew.
 */
function isPointless(outcome: TargetOutcome | undefined, failures: number): boolean {
  if (outcome?.copy === null || outcome === undefined) return false
  return !isBad(outcome.copy) || failures > damagedTries
}

/**
 * Since when `reconcile` asks whether anything was missed: since the newest point that is not damaged, or since a person
 * cancelled what it would ask for. What came out damaged again and again waits for the next event as well, and an archive
 * that runs is as good as a point: should it fail, it is tried again by itself.
 */
export function lastTaken({ points, archives, cancelledAt }: VolumeState, now: number): VolumeStatus['last'] {
  const hasPoint = ({ archiveId }: RunningArchive) =>
    points.some((point) => point.archiveId === archiveId && point.copies.some(({ state }) => state !== 'writing'))
  if (!archives.every(hasPoint)) return { capturedAt: new Date(now).toISOString(), consistency: 'crash' }
  const good = lastGood(points, null)
  const since = points.filter(({ capturedAt, copies }) => capturedAt > (good?.capturedAt ?? '') && copies.some(isBad))
  const [newestBad] = since.length > damagedTries ? since : []
  const last = newestBad ?? good
  if (cancelledAt === null || (last !== null && last.capturedAt >= cancelledAt)) return last
  return { capturedAt: cancelledAt, consistency: last?.consistency ?? 'crash' }
}

/** What the next verdict looks back to. Of archives that run, `isServed` says whether they are what a schedule asks for now. */
export function lastAsked(
  state: VolumeState,
  { targets, events = [] }: { targets?: string[] | null; events?: string[] },
  now: number,
): VolumeStatus['last'] {
  if (targets) return lastGood(state.points, targets)
  const isTold = events.includes(scheduleEvent) && !events.includes(reconcileEvent)
  return isTold ? lastGood(state.points, null) : lastTaken(state, now)
}

export function statusOf(volumeId: string, state: VolumeState, now: number): VolumeStatus {
  const { points, ...rest } = state
  return {
    ...rest,
    volumeId,
    protection: protectionOf(state, now),
    points: points.length,
    verifiedAt: lastVerified(points)?.capturedAt ?? null,
    last: lastTaken(state, now),
  }
}

/** What became of a request by hand, by its slot. */
export function requestState(state: VolumeState, slot: string) {
  const refused = state.refused.find((one) => one.slot === slot)
  if (refused !== undefined) return { state: 'refused' as const, reasons: refused.reasons }
  if (state.asked.some((one) => one.slot === slot)) return { state: 'waiting' as const, reasons: state.lastReasons }
  const held = [...state.archives, ...Object.values(state.wants), ...state.points]
  const started = held.some((one) => one.slot === slot)
  return { state: started ? ('started' as const) : ('unknown' as const), reasons: [] }
}

/** Nothing left to remember and nothing to do: the workflow may end; the next hint starts a new one. */
export function isFinished(state: VolumeState): boolean {
  return (
    state.points.length === 0 &&
    state.rebuilding?.length === 0 &&
    (state.policy === null || state.sourceGone) &&
    state.archives.length === 0 &&
    state.leftovers.length === 0 &&
    state.asked.length === 0 &&
    state.verifications.length === 0 &&
    state.burst === null &&
    Object.keys(state.wants).length === 0
  )
}
