/** What an image's head holds before it is written to: a killed attempt may have left anything (design section 7, leftovers). */
import type { OpenImage } from '../../librbd/open-images.js'
import { CommandFailed } from '../../source/command-errors.js'
import { ask, imageAt, isImageMissing, walkMs, type Asking } from './asking.js'
import type { Manifest } from './manifest.js'
import { touchedLeaves } from './touched-leaves.js'

/**
 * layering, exclusive-lock, object-map, fast-diff, deep-flatten: those that fast deletes, exact snapshots and shutting out
 * need; written down, since a cluster's defaults may be others (librbd.h: RBD_FEATURE_…).
 */
const features = 1 + 4 + 8 + 16 + 32

/** The image's head, open for writing. */
export type Head = Pick<OpenImage, 'open' | 'size' | 'flags'>

/** Content when it is there already; half of one, whose maker or remover was killed, is made anew. */
export async function createImage(asking: Asking, image: string, size: number): Promise<void> {
  const create = async () => ask(asking, 'createImage', { ...imageAt(asking, image), size, features }, { image })
  try {
    await create()
  } catch (error) {
    if (!(error instanceof CommandFailed) || error.exitCode !== 17) throw error
    if (await exists(asking, image)) return
    await ask(asking, 'removeImage', imageAt(asking, image), { image })
    await create()
  }
}

async function exists(asking: Asking, image: string): Promise<boolean> {
  try {
    await ask(asking, 'imageInfo', imageAt(asking, image), { image })
    return true
  } catch (error) {
    if (isImageMissing(error)) return false
    throw error
  }
}

/** Opens the head for one act. Whoever has it open is shut out by the next attempt (fence.ts). */
export async function withHead<T>(asking: Asking, image: string, act: (head: Head) => Promise<T>): Promise<T> {
  const head = await ask(asking, 'openImage', { ...imageAt(asking, image), snapshot: null, write: true }, { image })
  try {
    return await act(head)
  } finally {
    // what cannot be closed ends with its process
    await ask(asking, 'closeImage', head).catch(() => undefined)
  }
}

/**
 * Makes the head equal to the copy, whatever else was on it, and then as large as said.
 * @param to.wholeObject its object map tells what else was on it
 */
export async function headIsCopy(
  asking: Asking,
  head: Head,
  { copySnapshot, hashedBytes }: Manifest,
  to: { size: number; wholeObject: boolean; stallMs: number },
): Promise<Head> {
  const { size, stallMs } = to
  const wholeObject = to.wholeObject && head.flags === 0
  const asked = { since: copySnapshot.name, wholeObject, stallMs }
  const isTouched = head.size !== hashedBytes || (await hasAny(touchedLeaves(asking, head, asked)))
  if (isTouched) {
    const timeoutMs = walkMs(asking, Math.max(head.size, hashedBytes))
    await ask(asking, 'rollback', { at: head, name: copySnapshot.name }, { timeoutMs })
  }
  return resized(asking, { ...head, size: hashedBytes }, size)
}

/** Makes the head hold nothing but zeros. RBD snapshots keep what they have. */
export async function headIsZero(asking: Asking, head: Head, size: number): Promise<Head> {
  return resized(asking, await resized(asking, head, 0), size)
}

export async function resized(asking: Asking, head: Head, size: number): Promise<Head> {
  if (head.size !== size) await ask(asking, 'resize', { at: head, size }, { timeoutMs: walkMs(asking, head.size) })
  return { ...head, size }
}

async function hasAny(values: AsyncIterable<unknown>): Promise<boolean> {
  for await (const _ of values) return true
  return false
}
