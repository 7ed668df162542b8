/** The RBD snapshots of an image in the pool. */
import type { RbdSnapshot } from '../../source/rbd-queries.js'
import { ask, imageAt, isImageMissing, saysMissing, type Asking } from './asking.js'

export async function listSnapshots(asking: Asking, image: string): Promise<RbdSnapshot[]> {
  return ask(asking, 'snapshots', imageAt(asking, image), { image })
}

/** One that is gone, with its image or without, is what was wanted; one of this name and another id is left alone. */
export async function removeSnapshot(
  asking: Asking,
  image: string,
  { name, id }: Pick<RbdSnapshot, 'name' | 'id'>,
): Promise<void> {
  try {
    const found = (await listSnapshots(asking, image)).find((one) => one.name === name)
    if (found?.id !== id) return
    await ask(asking, 'removeSnapshot', { at: imageAt(asking, image), name }, { image, timeoutMs: null })
  } catch (error) {
    if (!isImageMissing(error) && !saysMissing(error)) throw error
  }
}
