import type { Copy, WrittenCopy } from '../target.js'
import { readImage, type ImageState, type StoredCopy } from './image-state.js'
import { writeMark } from './mark-copy.js'
import type { CephSetting } from './setting.js'
import { toCopy } from './to-copy.js'
import type { WriteJob } from './write-job.js'

/**
 * A block was missed some time after it was last compared with the source: every copy that was made since then by reading
 * changes may lack it. What they hold is what their trees say, but not what the volume was.
 */
export async function markSuspects(
  { asking, seals, image, state }: WriteJob,
  { manifest: { lineage, comparedAt } }: StoredCopy,
  reason: string,
): Promise<void> {
  const since = comparedAt[0] ?? ''
  for (const one of state.copies) {
    const { manifest } = one
    // of one that was read by its object map, only the map said that the rest is zero
    const isCompared = manifest.capturedAt === since && !(manifest.read === 'whole' && manifest.wholeObject)
    if (manifest.lineage !== lineage || manifest.capturedAt < since || isCompared) continue
    if (!isTrusted(one)) continue
    // others may have removed it since this attempt began, or found it damaged
    const now = (await readImage(asking, seals, image))?.copies.find(({ key }) => key === one.key)
    if (now?.isThere !== true || !isTrusted(now)) continue
    const suspect = { ...now.mark, state: 'suspect' as const, reason, copySnapshotId: manifest.copySnapshot.id }
    await writeMark(asking, seals, now, suspect)
    one.mark = suspect
  }
}

function isTrusted({ mark }: StoredCopy): boolean {
  return mark.state === 'verified' || mark.state === 'unverified'
}

/** A copy, and which others of its image are suspect: whoever counts copies must know. */
export function withSuspects(setting: CephSetting, copy: Copy, { copies }: ImageState): WrittenCopy {
  const suspects = copies.filter(({ mark }) => mark.state === 'suspect').map((one) => toCopy(setting, one))
  return suspects.length === 0 ? copy : { ...copy, suspects }
}
