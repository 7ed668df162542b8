import { ask, imageAt, saysUnreadable, type Asking } from './asking.js'
import { extentOf } from './leaves.js'
import type { Manifest } from './manifest.js'

/** By the name of its RBD snapshot; whether that still has the manifest's id is asked beside it. */
export async function openCopy(asking: Asking, { image, copySnapshot }: Pick<Manifest, 'image' | 'copySnapshot'>) {
  return ask(asking, 'openImage', { ...imageAt(asking, image), snapshot: copySnapshot.name, write: false }, { image })
}

/** The copy, opened to be read. */
export interface OpenCopy {
  asking: Asking
  open: number
  hashedBytes: number
  stallMs: number
}

/**
 * The hash of one leaf as it lies there, and how many bytes were read for it; null when no replica of it can be read.
 * @param isLikelyHole a hole is as good as zeros that were read
 */
export async function readLeaf(
  { asking, open, hashedBytes, stallMs }: OpenCopy,
  leaf: number,
  isLikelyHole = false,
): Promise<{ hash: Uint8Array; readBytes: number } | null> {
  const given = { from: open, ...extentOf(leaf, hashedBytes), isLikelyHole, to: null, stallMs }
  return ask(asking, 'moveLeaf', given, { timeoutMs: 3 * stallMs }).catch((error: unknown) => {
    if (saysUnreadable(error)) return null
    throw error
  })
}
