import { setMeta } from './image-meta.js'
import type { StoredCopy } from './image-state.js'
import { markMeta } from './names.js'
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
  for (const { key, manifest, mark } of state.copies) {
    if (manifest.lineage !== lineage || manifest.capturedAt <= since) continue
    if (mark.state !== 'verified' && mark.state !== 'unverified') continue
    const suspect = { ...mark, state: 'suspect', reason, copySnapshotId: manifest.copySnapshot.id }
    await setMeta(asking, image, markMeta(key), seals.seal('mark', `${image}@${key}`, suspect))
  }
}
