/** How a volume stands, from what its workflow remembers and the time. Pure. */
import type { Protection } from './messages.js'
import type { VolumeState } from './volume-memory.js'
import { isBad, lastVerified } from './volume-points.js'

/**
 * From when on its last verified point is older than its policy allows, milliseconds since the epoch; null: never. A
 * volume without any is given the same time from when a policy began to protect it.
 */
export function overdueAt({ rpoSeconds, points, protectedSince }: VolumeState): number | null {
  const since = lastVerified(points)?.capturedAt ?? protectedSince
  return rpoSeconds === null || since === null ? null : Date.parse(since) + rpoSeconds * 1000
}

/** null: it has no verified point yet, but there is time, and nothing has failed. */
export function protectionOf(state: VolumeState, now: number): Protection | null {
  if (state.rebuilding === null || state.rebuilding.length > 0) return 'rebuilding'
  if (state.sourceGone) return 'source-gone'
  const overdue = overdueAt(state)
  if (overdue !== null && overdue <= now) return 'overdue'
  if (isFailing(state)) return 'failing'
  return lastVerified(state.points) === null ? null : 'protected'
}

/** What was only put off, for want of quota or space, has not failed. */
function isFailing(state: VolumeState): boolean {
  const { wants, archives, burst } = state
  const failed = [...Object.values(wants), ...archives].some(({ failures }) => failures > 0)
  return failed || (burst?.failures ?? 0) > 0 || hasBadCopy(state)
}

/** A copy of the last verified point, or of a newer one; or any that was found bad since that point was captured. */
function hasBadCopy({ points, foundBad }: VolumeState): boolean {
  const last = lastVerified(points)
  const newest = last === null ? points.slice(0, 1) : points.slice(0, points.indexOf(last) + 1)
  if (newest.some(({ copies }) => copies.some(isBad))) return true
  return foundBad !== null && (last === null || Date.parse(last.capturedAt) <= Date.parse(foundBad.at))
}
