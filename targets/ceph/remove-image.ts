import { CommandFailed } from '../../source/command-errors.js'
import { ask, imageAt, isImageMissing, placeOf, saysMissing, walkMs, type Asking } from './asking.js'
import { readMeta } from './image-meta.js'
import { readImage } from './image-state.js'
import { isAboutCopies } from './names.js'
import type { Seals } from './seal.js'

/** Removes what is left of an image whose maker or remover was killed: a name without a header. Content with none. */
export async function removeHalfImage(asking: Asking, image: string): Promise<void> {
  const all = await ask(asking, 'images', placeOf(asking.access))
  if (!all.includes(image)) return
  try {
    await ask(asking, 'removeImage', imageAt(asking, image), { image })
  } catch (error) {
    if (!isImageMissing(error) && !saysMissing(error)) throw error
  }
}

/** Removes an image in which nothing is left: no RBD snapshot, no record, and nobody who has it open. */
export async function removeEmptyImage(asking: Asking, seals: Seals, image: string): Promise<void> {
  const state = await readImage(asking, seals, image)
  if (state === null || state.snapshots.length > 0) return
  try {
    // whatever is written there by others is reason enough to let it be
    const all = [...(await readMeta(asking, image)).keys()]
    const records = all.filter((key) => key.startsWith('ck.') && !isAboutCopies(key))
    if (records.length > 0) return
    const { size } = await ask(asking, 'imageInfo', imageAt(asking, image), { image })
    await ask(asking, 'removeImage', imageAt(asking, image), { image, timeoutMs: walkMs(asking, size) })
  } catch (error) {
    if (isImageMissing(error) || saysMissing(error)) return
    // ENOTEMPTY, EBUSY: a snapshot or a client since then, so it is not empty any more
    if (error instanceof CommandFailed && (error.exitCode === 39 || error.exitCode === 16)) return
    throw error
  }
}
