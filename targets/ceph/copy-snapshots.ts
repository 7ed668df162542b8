/** The RBD snapshots of an image in the pool. */
import type { RbdSnapshot } from '../../source/rbd-queries.js'
import { ask, imageAt, isImageMissing, saysMissing, walkMs, type Asking } from './asking.js'

export interface CopySnapshot extends RbdSnapshot {
  /** Its removal was begun, by whoever died then; it is read by nobody, and has to be removed. */
  isGoing: boolean
}

export async function listSnapshots(asking: Asking, image: string): Promise<CopySnapshot[]> {
  return ask(asking, 'snapshots', imageAt(asking, image), { image })
}

export function findSnapshot(all: readonly CopySnapshot[], name: string): CopySnapshot | undefined {
  return all.find((one) => one.name === name && !one.isGoing)
}

/** One that is gone, with its image or without, is what was wanted; one of this name and another id is left alone. */
export async function removeSnapshot(asking: Asking, image: string, { id }: Pick<RbdSnapshot, 'id'>): Promise<void> {
  try {
    const found = (await listSnapshots(asking, image)).find((one) => one.id === id)
    if (found === undefined) return
    const timeoutMs = walkMs(asking, found.size)
    await ask(asking, 'removeSnapshot', { at: imageAt(asking, image), id }, { image, timeoutMs })
  } catch (error) {
    if (!isImageMissing(error) && !saysMissing(error)) throw error
  }
}
