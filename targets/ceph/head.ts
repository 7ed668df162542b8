/** What an image's head holds before it is written to: a killed attempt may have left anything (design section 7, leftovers). */
import { CommandFailed } from '../../source/command-errors.js'
import { rbdImageInfo } from '../../source/rbd-queries.js'
import { explained, runRbd, type Asking } from './commands.js'
import { diffExtents } from './diff-extents.js'
import type { Manifest } from './manifest.js'

/** Those that fast deletes, exact snapshots and shutting out need; written down, since a cluster's defaults may be others. */
const features = ['layering', 'exclusive-lock', 'object-map', 'fast-diff', 'deep-flatten']

/** Content when it is there already. */
export async function createImage(asking: Asking, image: string, sizeBytes: number): Promise<void> {
  try {
    const feature = features.flatMap((one) => ['--image-feature', one])
    await runRbd(asking, ['create'], { image }, ['--size', `${sizeBytes}B`, ...feature])
  } catch (error) {
    if (!(error instanceof CommandFailed) || error.exitCode !== 17) throw error
  }
}

/** Makes the head equal to the copy; whatever else was on it is gone. */
export async function headIsCopy(asking: Asking, { image, copySnapshot, hashedBytes }: Manifest): Promise<void> {
  const long = { ...asking, timeoutMs: null }
  if (!(await differs(asking, image, copySnapshot.name, hashedBytes))) return
  await runRbd(long, ['snap', 'rollback'], { image, snapshot: copySnapshot.name }, ['--no-progress'])
}

async function differs(asking: Asking, image: string, from: string, sizeBytes: number): Promise<boolean> {
  const [{ size }, isTouched] = await Promise.all([
    explained(asking.access, image, async () => rbdImageInfo(asking.access, image)),
    hasAny(diffExtents(asking, image, { from, to: null })),
  ])
  return size !== sizeBytes || isTouched
}

async function hasAny(values: AsyncIterable<unknown>): Promise<boolean> {
  for await (const _ of values) return true
  return false
}

/** Makes the head hold nothing but zeros. RBD snapshots keep what they have. */
export async function headIsZero(asking: Asking, image: string): Promise<void> {
  const { size } = await explained(asking.access, image, async () => rbdImageInfo(asking.access, image))
  const long = { ...asking, timeoutMs: null }
  await runRbd(long, ['resize'], { image }, ['--size', '0B', '--allow-shrink', '--no-progress'])
  await runRbd(long, ['resize'], { image }, ['--size', `${size}B`, '--no-progress'])
}
