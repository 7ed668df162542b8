import type { CaptureRecord } from './capture-record.js'

/** An RBD snapshot of ours on a volume's image, with its record; either may be missing after a crash. */
export interface Held {
  archiveId: string
  record: CaptureRecord | null
  /** Ids grow with time. */
  snapshot: { id: number; name: string } | null
}

/** In this order: a base is noted before the one it replaces is given up. */
export interface ReleasePlan {
  write: CaptureRecord[]
  /** The RBD snapshot first: the record says whose it is until it is gone. */
  remove: Held[]
}

/** What nobody released is removed this long after its expiry: clocks of movers differ. */
const graceMs = 3_600_000

/**
 * What becomes of the RBD snapshots of a volume when an archive ends: its own is kept when it is a target's newest
 * verified one (the base of the next copy there), and those that it replaces go. One base per volume and target.
 * One that lost its last target stays while another archive runs, which may read from it, and goes with that one.
 * @param held everything of ours on the image @param own the archive that ends
 * @param verified targets on which its copy is verified @param known targets that are configured
 */
export function planRelease(
  held: Held[],
  own: { archiveId: string; verified: string[] },
  known: ReadonlySet<string>,
  now: number,
): ReleasePlan {
  const isOwn = ({ archiveId }: Held) => archiveId === own.archiveId
  const isExpired = ({ record }: Held) => record !== null && Date.parse(record.expires) + graceMs < now
  const isRunning = (one: Held) => !isOwn(one) && one.record?.purpose === 'capture' && !isExpired(one)
  // without a record nothing proves it ours but the name, which only its own archive can be sure of
  const ended = held.filter((one) => !isRunning(one) && (isOwn(one) || one.record !== null))
  const others = held.some(isRunning)

  const claims = ended.map((one) => ({ ...one, claims: one.snapshot === null ? [] : claimsOf(one) }))
  const newest = new Map<string, number>()
  for (const { claims: targets, snapshot } of claims) {
    for (const target of targets) newest.set(target, Math.max(newest.get(target) ?? 0, snapshot?.id ?? 0))
  }

  const plan: ReleasePlan = { write: [], remove: [] }
  // newest first: so the new base is written down before an older one loses its target
  for (const { claims: targets, ...one } of claims.sort((a, b) => (b.snapshot?.id ?? 0) - (a.snapshot?.id ?? 0))) {
    const bases = targets.filter((target) => newest.get(target) === one.snapshot?.id)
    const { record } = one
    const mayBeRead = others && !isOwn(one) && one.snapshot !== null
    if (record === null || (bases.length === 0 && !mayBeRead)) plan.remove.push(one)
    else if (record.purpose !== 'base' || !isSame(bases, record.bases))
      plan.write.push({ ...record, purpose: 'base', bases })
  }
  return plan

  function claimsOf(one: Held): string[] {
    const claimed = [...(one.record?.bases ?? []), ...(isOwn(one) ? own.verified : [])]
    return [...new Set(claimed)].filter((target) => known.has(target)).sort()
  }
}

function isSame(one: string[], other: string[]): boolean {
  return one.length === other.length && one.every((target) => other.includes(target))
}
