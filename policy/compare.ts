import { missed } from './missed.js'
import type { LastPoint, Policy, VolumeFacts } from './policy.js'

/** What the columns of a volume's workflow say of it. */
export interface Watched {
  policy: string | null
  /** `protected`, `failing`, …; null: no verified point yet, and nothing wrong. */
  protection: string | null
  /** Its last verified point. */
  last: LastPoint | null
}

/** A difference between what the cloud shows and what is known of a volume. */
export interface Difference {
  /** `unwatched`: nobody knows of it. `policy`: another one protects it now, or none. `returned`: it was taken for gone. */
  why: 'unwatched' | 'policy' | 'returned' | 'missed'
  /** One sentence for people. */
  says: string
}

/** A notification may be on its way for so long, beside the settle time of the policy; the listener may be behind. */
export const eventGraceMs = 60_000
/** A schedule starts up to a minute late, and then has thousands of volumes to tell. */
export const scheduleGraceMs = 600_000

/**
 * What nobody told us about a volume, or null. Of a volume that was changed just now nothing is said: the notification
 * is on its way, and two that ask for the same archive would make two.
 * @param policy the one that protects it
 * @param watched null: it has no workflow
 * @param now milliseconds since the epoch
 */
export function compare(
  volume: VolumeFacts,
  policy: Policy | null,
  watched: Watched | null,
  now: number,
): Difference | null {
  if (isChanging(volume, policy, now)) return null
  if (watched === null) {
    return policy === null
      ? null
      : { why: 'unwatched', says: `Policy ${policy.name} protects it, but nobody watches it.` }
  }
  if (watched.protection === 'source-gone') {
    return { why: 'returned', says: 'It was taken for deleted, but Cinder knows it.' }
  }
  // it has only begun, and looks at the volume itself
  if (watched.protection === 'rebuilding') return null
  if (watched.policy !== (policy?.name ?? null)) {
    const [was, is] = [watched.policy ?? 'no policy', policy?.name ?? 'none']
    return { why: 'policy', says: `It was protected by ${was}, and now by ${is}.` }
  }
  if (policy === null) return null
  return otherRpo(policy, watched, now) ?? missedSince(policy, volume, watched.last, now)
}

/** Its workflow goes by the `rpo` of its last look, which an applied policy may have changed since. */
function otherRpo({ name, rpoSeconds }: Policy, { protection, last }: Watched, now: number): Difference | null {
  const shown = protection === 'overdue'
  // since when one without any verified point is protected, its workflow alone knows
  if (last === null && rpoSeconds !== null) return null
  const at = last === null || rpoSeconds === null ? Infinity : Date.parse(last.capturedAt) + rpoSeconds * 1000
  const isOverdue = at <= now
  // columns are behind by moments
  if (shown === isOverdue || Math.abs(at - now) < eventGraceMs) return null
  const [is, looks] = isOverdue ? ['is', 'does not say so'] : ['is not', 'says that it is']
  return { why: 'policy', says: `It ${is} overdue by the rpo of ${name}, but its workflow ${looks}.` }
}

/** What was missed since a volume's last point, all graces granted. */
export function missedSince(
  policy: Policy,
  volume: VolumeFacts,
  last: LastPoint | null,
  now: number,
): Difference | null {
  const says = missed(policy, volume, last, now - scheduleGraceMs)
  return says === null ? null : { why: 'missed', says }
}

function isChanging({ status, createdAt, updatedAt }: VolumeFacts, policy: Policy | null, now: number): boolean {
  if (status === 'creating' || status === 'deleting') return true
  const changedAt = Math.max(Date.parse(createdAt), updatedAt === null ? 0 : Date.parse(updatedAt))
  return changedAt > now - eventGraceMs - (policy?.settleSeconds ?? 0) * 1000
}
