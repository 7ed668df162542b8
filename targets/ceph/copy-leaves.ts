/** Brings the head from what it holds to the capture, leaf by leaf, and the hash tree with it. */
import { CodedError } from '../../errors/coded-error.js'
import type { LeafMove, MovedLeaf, Piece } from '../../librbd/leaf-acts.js'
import { leafBytes, leafHashBytes } from '../../source/hash-fold.js'
import { leafCount } from '../../source/root-of-leaves.js'
import { ask, explain } from './asking.js'
import { flight } from './flight.js'
import type { Head } from './head.js'
import { extentOf, setHash } from './leaves.js'
import { peekable } from './peekable.js'
import type { TouchedLeaf } from './touched-leaves.js'
import { piecesOf, writePiece } from './tree-store.js'
import { pacer, type WriteJob } from './write-job.js'

/** What is to be done with a leaf; null for nothing, since what the head holds there is right. */
export type LeafWork =
  | null
  /** Read and hashed; written unless it has a hash that says that the head has it. */
  | { write: Piece[]; unless: Buffer | null; isLikelyHole: boolean }
  /** Read and hashed; with another hash than this one it is `onOther`. */
  | { same: Buffer | null; onOther: () => Promise<void> }

export interface PieceWork {
  /** The hashes of what the head holds. */
  held: Buffer
  /** @param touched the parts of the leaf that the difference names; null for one that it does not name */
  workOf(leaf: number, touched: Piece[] | null): LeafWork
}

export interface Course {
  head: Head
  phase: string
  touched: AsyncIterable<TouchedLeaf>
  /** The first leaf that is not done yet; the hashes of its piece before it. */
  from: { leaf: number; hashes: Buffer | null }
  workIn(piece: number): Promise<PieceWork>
  /** What was moved before, and counts. */
  count: { readBytes: number; writtenBytes: number }
  /** Everything before this leaf is on the head, and in the tree: called where that is worth writing down. */
  onSegment?: ((leaf: number) => Promise<void>) | undefined
}

/** @throws CodedError `CK-SOURCE-…`, `CK-TARGET-AWAY`, and what the course throws */
export async function copyLeaves(job: WriteJob, course: Course): Promise<void> {
  const { asking, key, setting, sizeBytes } = job
  const { from, onSegment } = course
  const { pieceLeaves, segmentBytes, segmentMs } = setting.pace
  const pace = pacer(job, course.phase)
  const touched = peekable(course.touched)
  const moving = flight()
  const segment = { since: performance.now(), writtenBytes: course.count.writtenBytes }
  const firstPiece = Math.floor(from.leaf / pieceLeaves)
  try {
    for (let index = firstPiece; index < piecesOf(sizeBytes, pieceLeaves); index += 1) {
      const first = index * pieceLeaves
      const end = Math.min(first + pieceLeaves, leafCount(sizeBytes))
      const work = await course.workIn(index)
      const hashes = Buffer.from(work.held)
      if (index === firstPiece) from.hashes?.copy(hashes, 0, 0, (from.leaf - first) * leafHashBytes)
      for (let leaf = Math.max(first, from.leaf); leaf < end; leaf += 1) {
        const next = await touched.peek()
        if (next?.index === leaf) touched.take()
        const pieces = next?.index === leaf ? next.pieces : null
        const toDo = work.workOf(leaf, pieces)
        if (toDo === null) continue
        await moving.begin(async () => {
          setHash(hashes, leaf - first, await doWork(job, course, leaf, toDo))
        })
        const { length } = extentOf(leaf, sizeBytes)
        await pace(leaf * leafBytes, isLikelyHole(toDo) ? 0 : length)
        const written = course.count.writtenBytes - segment.writtenBytes
        const isFull = written >= segmentBytes || performance.now() - segment.since >= segmentMs
        if (onSegment !== undefined && isFull) {
          await moving.land()
          await ask(asking, 'flush', course.head, { timeoutMs: setting.pace.stallMs })
          await writePiece(asking, key, index, hashes)
          await onSegment(leaf + 1)
          Object.assign(segment, { since: performance.now(), writtenBytes: course.count.writtenBytes })
        }
      }
      await moving.land()
      await writePiece(asking, key, index, hashes)
    }
    const unvisited = await touched.peek()
    if (unvisited !== undefined) throw outOfOrder(unvisited.index)
    await ask(asking, 'flush', course.head, { timeoutMs: setting.pace.stallMs })
  } finally {
    // whoever comes next on this head must find nobody at work there
    await moving.land().catch(() => undefined)
    await touched.close()
  }
}

function isLikelyHole(work: NonNullable<LeafWork>): boolean {
  return 'write' in work && work.isLikelyHole
}

/** @returns the leaf's hash */
async function doWork(
  job: WriteJob,
  { head, count }: Course,
  leaf: number,
  work: NonNullable<LeafWork>,
): Promise<Buffer> {
  const { setting, source, sizeBytes } = job
  const { stallMs } = setting.pace
  const to = 'write' in work ? { open: head.open, pieces: work.write, unless: work.unless } : null
  const given = { from: source.open.open, ...extentOf(leaf, sizeBytes), isLikelyHole: isLikelyHole(work), to, stallMs }
  const moved = await moveLeaf(job, given)
  count.readBytes += moved.readBytes
  count.writtenBytes += moved.writtenBytes
  const hash = Buffer.from(moved.hash)
  if ('same' in work && work.same?.equals(hash) === false) await work.onOther()
  return hash
}

/** What fails between two clusters is told of the one that failed. */
async function moveLeaf({ asking, source, image }: WriteJob, given: LeafMove): Promise<MovedLeaf> {
  try {
    // a read and a write, each of which tells by itself when it stalls
    return await asking.hands.do('moveLeaf', given, 3 * given.stallMs)
  } catch (error) {
    const isReading = error instanceof Error && /rbd: (read of|diff)/.test(error.message)
    throw explain(isReading ? source.asking.access : asking.access, image, error)
  }
}

/** What a difference names and nobody came by would be taken for unchanged. */
function outOfOrder(leaf: number): CodedError {
  return new CodedError('CK-SOURCE-ORDER', `a difference named the block at ${leaf * leafBytes} out of its order`, {
    cure: 'Nothing of it is used. This is a fault of Cinderkeep: please report it.',
  })
}
