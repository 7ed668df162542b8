import { CodedError } from '../../errors/coded-error.js'
import type { Copy, CopyContext } from '../target.js'
import { withAsking, type Asking } from './asking.js'
import { removeSnapshot } from './copy-snapshots.js'
import { removeMeta } from './image-meta.js'
import { readImage } from './image-state.js'
import { findCopy, writeMark } from './mark-copy.js'
import { keyOf, manifestMeta, markMeta, readingMeta } from './names.js'
import { removeEmptyImage, removeHalfImage } from './remove-image.js'
import { openSeals, type Seals } from './seal.js'
import type { CephSetting } from './setting.js'
import { removeTree } from './tree-store.js'

/**
 * Removes a copy in an order in which no half of it ever passes for a whole one: the mark, the RBD snapshot, the tree, the
 * manifest, and the image when nothing is left in it.
 */
export async function removeCopy(setting: CephSetting, copy: Copy, context: CopyContext): Promise<void> {
  const seals = await openSeals(setting.options.macKey.file)
  await withAsking(setting, 'remove', context.signal, async (asking) => remove(setting, asking, seals, copy, context))
}

async function remove(
  setting: CephSetting,
  asking: Asking,
  seals: Seals,
  copy: Copy,
  context: CopyContext,
): Promise<void> {
  const image = copy.ref['image'] ?? ''
  const key = keyOf(copy)
  const state = await readImage(asking, seals, image)
  if (state === null) return removeHalfImage(asking, image)
  if (state.unreadable.some((one) => one.key === key)) {
    throw new CodedError(
      'CK-COPY-NOT-OURS',
      `the copy ${copy.point} in ${image} is not removed: its manifest cannot be trusted`,
      {
        cure: 'Look at the pool and at macKey; what is left of the copy can be removed by hand: rbd snap ls, rbd snap rm.',
      },
    )
  }
  if (state.copies.some((one) => one.key === key)) {
    const stored = await findCopy(setting, asking, seals, copy)
    const { manifest, mark } = stored
    context.report({ phase: `removing the copy ${copy.point}` })
    if (mark.state !== 'removing') await writeMark(asking, seals, stored, { ...mark, state: 'removing' })
    await removeSnapshot(asking, image, manifest.copySnapshot)
    await removeTree(asking, key, manifest.pieces)
    await removeMeta(asking, image, readingMeta(key))
    await removeMeta(asking, image, markMeta(key))
    await removeMeta(asking, image, manifestMeta(key))
  }
  await removeEmptyImage(asking, seals, image)
}
