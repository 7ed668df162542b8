/** What a volume's workflow remembers, and the plain rules by which it changes. Pure: no timers, no activities. */
import type { Copy } from '../targets/target.js'
import type {
  ArchiveOutcome,
  Burst,
  Hint,
  Protection,
  RecoveryPoint,
  RunningArchive,
  TargetOutcome,
  VolumeState,
  VolumeStatus,
  Want,
} from './messages.js'
import { eventSlot } from './messages.js'

/** Message ids that are remembered; notifications are doubled within minutes, not after hundreds of others. */
const seenLimit = 256
/** A payload this large still leaves room in a history's 2 MB; the targets hold the rest (design section 4). */
const pointsLimitBytes = 128 * 1024
/** Failed archives are tried again after these many minutes; the last one repeats. */
const backoffMinutes = [1, 5, 15, 60, 360]
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
    rebuilding: null,
    leftovers: [],
    sourceGone: false,
    lastReasons: [],
  }
}

/** What survives an operator's Cancel: everything but the points, which are read again from the targets. */
export function forgetPoints(state: VolumeState): VolumeState {
  return { ...state, points: [], trimmed: false, rebuilding: null }
}

/**
 * Hints that arrive before the capture join the burst that waits for it; the first names the slot. What has not the
 * shape of a hint (anybody can send a signal in the UI) is left out: an exception would stop the workflow for ever.
 */
export function addHints(state: VolumeState, hints: unknown, now: number): void {
  for (const hint of Array.isArray(hints) ? hints : []) {
    if (!isHint(hint)) continue
    if (state.seen.includes(hint.messageId)) continue
    state.seen = [...state.seen, hint.messageId].slice(-seenLimit)
    state.burst ??= { slot: eventSlot(hint), events: [], firstAt: now, dueAt: now, failures: 0 }
    if (!state.burst.events.includes(hint.event)) state.burst.events.push(hint.event)
    // whatever made looking fail may have ended with this event
    if (state.burst.failures > 0) state.burst.dueAt = Math.min(state.burst.dueAt, now)
  }
}

function isHint(hint: unknown): hint is Hint {
  const { messageId, event } = (hint ?? {}) as Partial<Record<keyof Hint, unknown>>
  return typeof messageId === 'string' && typeof event === 'string'
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
  const waits = burst.failures > 0 ? due : dueAt
  state.burst = { ...burst, events: [...new Set([...burst.events, ...came])], dueAt: waits }
}

/** Targets whose lane is held, or that have not yet said what they hold: nothing may be written to them. */
export function isBlocked(state: VolumeState, target: string): boolean {
  return state.running[target] !== undefined || state.rebuilding === null || state.rebuilding.includes(target)
}

/** The wants of one slot that may be followed now: one archive. */
export function ripeWants(state: VolumeState, now: number): { want: Want; targets: string[] } | null {
  const ripe = Object.entries(state.wants)
    .filter(([target, want]) => want.at <= now && !isBlocked(state, target))
    .sort(([, a], [, b]) => a.at - b.at)
  const first = ripe[0]?.[1]
  if (first === undefined) return null
  const targets = ripe.filter(([, want]) => want.slot === first.slot)
  return { want: first, targets: targets.map(([target]) => target) }
}

/** When the next timer must ring: milliseconds since the epoch, or null. */
export function nextAlarm(state: VolumeState): number | null {
  const alarms = Object.entries(state.wants)
    .filter(([target]) => !isBlocked(state, target))
    .map(([, want]) => want.at)
  if (state.burst !== null) alarms.push(state.burst.dueAt)
  return alarms.length === 0 ? null : Math.min(...alarms)
}

/** One more archive for targets whose lane is busy. A want that waits already stands: it will cover this one too. */
export function wantLater(state: VolumeState, targets: string[], want: Omit<Want, 'failures'>): void {
  for (const target of targets) {
    const waiting = state.wants[target]
    // a retry that sleeps is overtaken by a newer reason to archive
    if (waiting === undefined || waiting.failures > 0) state.wants[target] = { ...want, failures: 0 }
  }
}

/** The number of the next try for a slot; every archive of a slot has its own. */
export function nextTry(state: VolumeState, slot: string): number {
  return (state.tries[slot] ?? 0) + 1
}

export function backoffMs(failures: number): number {
  const minutes = backoffMinutes[Math.min(Math.max(failures, 1), backoffMinutes.length) - 1] ?? 360
  return minutes * 60_000
}

export function holdLanes(state: VolumeState, archive: RunningArchive): void {
  state.archives.push(archive)
  state.tries[archive.slot] = Math.max(archive.attempt, state.tries[archive.slot] ?? 0)
  for (const target of archive.targets) {
    state.running[target] = archive.archive
    dropWant(state, target)
  }
}

export function dropWant(state: VolumeState, target: string): void {
  state.wants = without(state.wants, target)
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
  options: { now: number; retry: boolean; failure: string | null },
): void {
  for (const target of ended.targets) freeLane(state, ended.archive, target)
  state.archives = state.archives.filter(({ archive }) => archive !== ended.archive)
  const outcomes = outcome?.targets ?? []
  for (const { target, copy } of outcomes) {
    if (copy !== null) putCopy(state, copy)
    else dropPartial(state, ended.archiveId, target)
  }
  trimPoints(state)
  if (options.retry) {
    for (const target of ended.targets) {
      const its = outcomes.find((one) => one.target === target)
      const reason = its?.failure?.message ?? options.failure
      const failures = ended.failures + 1
      if (reason === null || state.wants[target] !== undefined || isPointless(its, failures)) continue
      state.wants[target] = {
        ...{ slot: ended.slot, events: ended.events, reason, failures },
        at: options.now + backoffMs(failures),
      }
    }
  }
  forgetTries(state)
}

/** A target that was asked while an archive wrote to it told of a copy that was never finished. */
function dropPartial(state: VolumeState, archiveId: string, target: string): void {
  const isPartial = (copy: Copy) => copy.archiveId === archiveId && copy.target === target && copy.state === 'writing'
  for (const point of state.points) point.copies = point.copies.filter((copy) => !isPartial(copy))
  state.points = state.points.filter((point) => point.copies.length > 0)
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
  const isBad = outcome.copy.state === 'damaged' || outcome.copy.state === 'suspect'
  return !isBad || failures > damagedTries
}

/** What a target says it holds, in place of what was known of it. */
export function replaceCopies(state: VolumeState, target: string, copies: Copy[]): void {
  for (const point of state.points) point.copies = point.copies.filter((copy) => copy.target !== target)
  for (const copy of copies) putCopy(state, copy)
  state.points = state.points.filter((point) => point.copies.length > 0)
  trimPoints(state)
}

/**
 * Files a copy under its point, newest point first; a newer word about the same copy replaces the older one. An archive
 * that was reset made another capture, and so another point. Of two copies on one target the verified one counts.
 */
export function putCopy(state: VolumeState, copy: Copy): void {
  const point = state.points.find((one) => one.point === copy.point && one.archiveId === copy.archiveId)
  if (point === undefined) {
    state.points.push(pointOf(copy))
    state.points.sort((a, b) => b.capturedAt.localeCompare(a.capturedAt))
    return
  }
  const known = point.copies.find(({ target }) => target === copy.target)
  const isAnother = known !== undefined && JSON.stringify(known.ref) !== JSON.stringify(copy.ref)
  if (isAnother && known.state === 'verified') return
  point.rootHash ??= copy.rootHash
  point.copies = [...point.copies.filter(({ target }) => target !== copy.target), copy]
}

/** What an archive tells before its end; left out where it has not the shape of a copy. */
export function addCopies(state: VolumeState, copies: unknown): void {
  for (const copy of Array.isArray(copies) ? copies : []) if (isCopy(copy)) putCopy(state, copy)
  trimPoints(state)
}

function isCopy(copy: unknown): copy is Copy {
  const { target, point, archiveId, capturedAt } = (copy ?? {}) as Partial<Record<keyof Copy, unknown>>
  return [target, point, archiveId, capturedAt].every((one) => typeof one === 'string')
}

function pointOf(copy: Copy): RecoveryPoint {
  const { point, volumeId, projectId, archiveId, archive, slot, group, capturedAt, consistency, sizeBytes } = copy
  return {
    ...{ point, volumeId, projectId, archiveId, archive, slot, group, capturedAt, consistency, sizeBytes },
    rootHash: copy.rootHash,
    copies: [copy],
  }
}

/** The oldest points leave the state when it grows too large, but never a target's last verified one. */
export function trimPoints(state: VolumeState): void {
  let size = JSON.stringify(state.points).length
  for (let i = state.points.length - 1; i >= 0 && size > pointsLimitBytes; i--) {
    const point = state.points[i]
    if (point === undefined || isLastVerifiedSomewhere(state.points, point)) continue
    state.points.splice(i, 1)
    state.trimmed = true
    size -= JSON.stringify(point).length + 1
  }
}

function isLastVerifiedSomewhere(points: RecoveryPoint[], point: RecoveryPoint): boolean {
  return point.copies.some(
    ({ target, state }) =>
      state === 'verified' &&
      points.find(({ copies }) => copies.some((copy) => copy.target === target && copy.state === 'verified')) === point,
  )
}

export function lastVerified(points: RecoveryPoint[]): RecoveryPoint | null {
  return points.find(({ copies }) => copies.some(({ state }) => state === 'verified')) ?? null
}

/** null: it has a policy, but no verified point yet and nothing has failed. */
export function protectionOf(state: VolumeState): Protection | null {
  if (state.rebuilding === null || state.rebuilding.length > 0) return 'rebuilding'
  if (state.sourceGone) return 'source-gone'
  const failing =
    [...Object.values(state.wants), ...state.archives].some(({ failures }) => failures > 0) ||
    (state.burst?.failures ?? 0) > 0 ||
    state.points[0]?.copies.some((copy) => copy.state === 'damaged' || copy.state === 'suspect')
  if (failing) return 'failing'
  return lastVerified(state.points) === null ? null : 'protected'
}

export function statusOf(volumeId: string, state: VolumeState): VolumeStatus {
  const { points, ...rest } = state
  return {
    ...rest,
    volumeId,
    protection: protectionOf(state),
    points: points.length,
    verifiedAt: lastVerified(points)?.capturedAt ?? null,
  }
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
    state.burst === null &&
    Object.keys(state.wants).length === 0
  )
}
