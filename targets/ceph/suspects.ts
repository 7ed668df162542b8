/**
 * A block was missed some time after it was last compared with the source: every copy that was made since then by reading
 * changes may lack it. What they hold is what their trees say, but not what the volume was. This is one record of the image, so
 * that it is said of all of them at once, and no verdict on one of them takes it back.
 */
import type { Copy, WrittenCopy } from '../target.js'
import { setMeta } from './image-meta.js'
import type { ImageState, StoredCopy } from './image-state.js'
import type { Manifest, Missed } from './manifest.js'
import { missedMeta } from './names.js'
import type { CephSetting } from './setting.js'
import { toCopy } from './to-copy.js'
import type { WriteJob } from './write-job.js'

/** What a copy may lack; null for nothing. */
export function missedBy({ lineage, capturedAt, read, wholeObject }: Manifest, all: Missed[]): Missed | null {
  const found = all.find((one) => one.lineage === lineage && one.since <= capturedAt)
  if (found === undefined) return null
  const isCompared = read === 'whole' ? !wholeObject : found.since === capturedAt
  return isCompared ? null : found
}

/** @param base of a lineage that a block was missed in, the newest that it may be missed by */
export async function keepMissed(job: WriteJob, base: Pick<StoredCopy, 'manifest'>, reason: string): Promise<void> {
  const { lineage, comparedAt } = base.manifest
  const since = comparedAt[0] ?? ''
  const known = job.state.missed.find((one) => one.lineage === lineage)
  if (known !== undefined && known.since <= since) return
  const others = job.state.missed.filter((one) => one !== known)
  await setMissed(job, [...others, { lineage, since, at: nowOf(job), reason }])
}

/** A record that cannot be read puts all copies in doubt that are there; written anew it says nothing of later lineages. */
export async function renewMissed(job: WriteJob): Promise<void> {
  const { missed } = job.state
  if (missed.every(({ at }) => at !== '')) return
  await setMissed(
    job,
    missed.map((one) => ({ ...one, at: nowOf(job) })),
  )
}

async function setMissed(job: WriteJob, missed: Missed[]): Promise<void> {
  const { asking, seals, image, state } = job
  // of a lineage without copies nothing need be known any more
  const all = missed.filter(({ lineage }) => state.copies.some(({ manifest }) => manifest.lineage === lineage))
  await job.mustStillWrite()
  await setMeta(asking, image, missedMeta, seals.seal('missed', image, all))
  state.missed = all
  for (const one of state.copies) one.missed = missedBy(one.manifest, all)
}

function nowOf({ setting }: WriteJob): string {
  return new Date(setting.now()).toISOString()
}

/** A copy, and which others of its image are suspect: whoever counts copies must know. */
export function withSuspects(setting: CephSetting, copy: Copy, { copies }: ImageState): WrittenCopy {
  const suspects = copies.map((one) => toCopy(setting, one)).filter(({ state }) => state === 'suspect')
  return suspects.length === 0 ? copy : { ...copy, suspects }
}
