/** The recovery points that a volume's workflow remembers. Pure, as `volume-state.ts`. */
import type { Copy } from '../targets/target.js'
import type { AssessRequest, RecoveryPoint } from './messages.js'
import type { VolumeState } from './volume-memory.js'

/** A payload this large still leaves room in a history's 2 MB; the targets hold the rest (design section 4). */
const pointsLimitBytes = 128 * 1024

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
  const point = filedUnder(state, copy)
  if (point === undefined) {
    state.points.push(pointOf(copy))
    state.points.sort((a, b) => b.capturedAt.localeCompare(a.capturedAt))
    return
  }
  const known = point.copies.find(({ target }) => target === copy.target)
  if (known?.state === 'verified' && !areSame(known, copy)) return
  point.rootHash ??= copy.rootHash
  point.copies = [...point.copies.filter(({ target }) => target !== copy.target), copy]
}

/**
 * What an archive tells of its copy is as old as its reading back, and may come hours later: that the same copy was found to
 * be bad since then was told by itself, and stands.
 */
export function putArchived(state: VolumeState, copy: Copy): void {
  const before = knownOf(state, copy)
  if (before !== undefined && isBad(before) && (copy.state === 'verified' || copy.state === 'unverified')) return
  putCopy(state, copy)
}

/** What was said before of the same thing on the target. */
function knownOf(state: VolumeState, copy: Copy): Copy | undefined {
  return filedUnder(state, copy)?.copies.find((one) => one.target === copy.target && areSame(one, copy))
}

function filedUnder({ points }: VolumeState, { point, archiveId }: Copy): RecoveryPoint | undefined {
  return points.find((one) => one.point === point && one.archiveId === archiveId)
}

/** Whether both are words about the same thing on the target. */
function areSame(one: Copy, other: Copy): boolean {
  return JSON.stringify(one.ref) === JSON.stringify(other.ref)
}

/** What an archive tells before its end; left out where it has not the shape of a copy. */
export function addCopies(state: VolumeState, copies: unknown): void {
  for (const copy of Array.isArray(copies) ? copies : []) if (isCopy(copy)) putArchived(state, copy)
  trimPoints(state)
}

export function isCopy(copy: unknown): copy is Copy {
  const { target, point, archiveId, capturedAt, consistency, state } = (copy ?? {}) as Partial<
    Record<keyof Copy, unknown>
  >
  const areTexts = [target, point, archiveId, consistency, state].every((one) => typeof one === 'string')
  // what is no date cannot become a column
  return areTexts && typeof capturedAt === 'string' && !Number.isNaN(Date.parse(capturedAt))
}

/** A target that was asked while an archive wrote to it told of a copy that was never finished. */
export function dropPartial(state: VolumeState, archiveId: string, target: string): void {
  const isPartial = (copy: Copy) => copy.archiveId === archiveId && copy.target === target && copy.state === 'writing'
  for (const point of state.points) point.copies = point.copies.filter((copy) => !isPartial(copy))
  state.points = state.points.filter((point) => point.copies.length > 0)
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

/**
 * The newest point that is not damaged, which tells whether anything was missed since. Of several targets the one that
 * is behind counts: after a try that failed on one of them, its own last copy is what it lacks.
 * @param targets null: any copy will do
 */
export function lastGood(points: RecoveryPoint[], targets: string[] | null): AssessRequest['last'] {
  const good = (point: RecoveryPoint, target: string | null) =>
    point.copies.some(
      (copy) =>
        (target === null || copy.target === target) && (copy.state === 'verified' || copy.state === 'unverified'),
    )
  const lasts = (targets ?? [null]).map((target) => points.find((point) => good(point, target)) ?? null)
  let oldest: AssessRequest['last'] = null
  for (const last of lasts) {
    if (last === null) return null
    const { capturedAt, consistency } = last
    if (oldest === null || capturedAt < oldest.capturedAt) oldest = { capturedAt, consistency }
  }
  return oldest
}

/** Damaged, or perhaps: it does not count, and somebody should look. */
export function isBad({ state }: Pick<Copy, 'state'>): boolean {
  return state === 'damaged' || state === 'suspect'
}

/** Whether none of these targets holds anything of the volume yet: a first copy is a large one. */
export function isFirstCopy(points: RecoveryPoint[], targets: string[]): boolean {
  return !points.some(({ copies }) => copies.some(({ target }) => targets.includes(target)))
}

/**
 * A newer word about a copy that was read back again. One of a point that left the state is known by its target alone, but
 * that it is bad is remembered until a later point is verified, or this copy after all. What was known is no news.
 */
export function changeCopy(state: VolumeState, copy: Copy, now: number): void {
  const { point, target } = copy
  const isNews = knownOf(state, copy)?.state !== copy.state
  // suspects are told with each archive, long after they were found
  const at = copy.suspectSince ?? new Date(now).toISOString()
  if (isBad(copy)) {
    if (isNews && (state.foundBad === null || state.foundBad.at <= at)) state.foundBad = { point, target, at }
  } else if (state.foundBad?.point === point && state.foundBad.target === target) state.foundBad = null
  if (filedUnder(state, copy) === undefined && state.trimmed) return
  putCopy(state, copy)
  trimPoints(state)
}
