/** Reads the whole capture and writes what the image does not hold yet; taken up again where its last segment ended. */
import { leafBytes } from '../../source/hash-fold.js'
import { leafCount } from '../../source/root-of-leaves.js'
import { headIsCopy, headIsZero } from './head.js'
import type { StoredCopy } from './image-state.js'
import { bytesOf, extentOf, hashAt, hashOfLeaf, joined, leavesOf, setHash, zeroPiece, type Leaf } from './leaves.js'
import type { Writer } from './manifest.js'
import { peekable, type Peekable } from './peekable.js'
import { segments, type Segments } from './segments.js'
import { piecesOf, readPiece, writePiece } from './tree-store.js'
import { pacer, type WriteJob, type Written } from './write-job.js'

/** @param against a verified copy in the image: leaves that it has already are not written again */
export async function writeWhole(job: WriteJob, against: StoredCopy | null): Promise<Written> {
  const { asking, context, sizeBytes } = job
  const { part } = job
  const start = part === null ? null : await pieceSoFar(job, part)
  const from = start === null ? 0 : start.leaf
  if (start === null) {
    context.report({ phase: 'preparing the image' })
    if (against === null) await headIsZero(asking, job.image)
    else await headIsCopy(asking, against.manifest)
  }
  const bytes = await job.open()
  const leaves = peekable(leavesOf(bytes.read(context.signal, { from: from * leafBytes })))
  const sink = segments(job, { confirm: async () => bytes.confirm() })
  const count = { readBytes: start?.readBytes ?? 0, writtenBytes: start?.writtenBytes ?? 0 }
  try {
    await writePieces(job, { against, leaves, sink, count, from, begun: start?.hashes ?? null })
    context.report({ phase: 'finishing the copy', doneBytes: sizeBytes, totalBytes: sizeBytes })
    await sink.finish()
    return { read: 'whole', base: against, ...count }
  } finally {
    await sink.kill()
    await leaves.close()
  }
}

interface Course {
  against: StoredCopy | null
  leaves: Peekable<Leaf>
  sink: Segments
  count: Pick<Written, 'readBytes' | 'writtenBytes'>
  /** The first leaf that is not written yet. */
  from: number
  /** The piece in which it lies, as far as it was known. */
  begun: Buffer | null
}

async function writePieces(job: WriteJob, course: Course): Promise<void> {
  const { asking, key, setting, sizeBytes } = job
  const { against, leaves, sink, count, from, begun } = course
  const { pieceLeaves } = setting.pace
  const pace = pacer(job, against === null ? 'writing' : 'writing what differs')
  const firstPiece = Math.floor(from / pieceLeaves)

  for (let index = firstPiece; index < piecesOf(sizeBytes, pieceLeaves); index += 1) {
    const first = index * pieceLeaves
    const end = Math.min(first + pieceLeaves, leafCount(sizeBytes))
    const hashes = zeroPiece(first, end - first, sizeBytes)
    const zeros = Buffer.from(hashes)
    if (index === firstPiece) begun?.copy(hashes, 0, 0, (from - first) * 32)
    const old = await pieceOf(job, against, index)

    for (let at = Math.max(first, from); at < end; at += 1) {
      const next = await leaves.peek()
      const leaf = next?.index === at ? next : { index: at, runs: [] }
      if (leaf === next) {
        leaves.take()
        setHash(hashes, at - first, hashOfLeaf(leaf, sizeBytes))
        count.readBytes += bytesOf(leaf)
      }
      const hash = hashAt(hashes, at - first)
      const held = old ?? zeros
      if (!isHeld(hash, held, at - first, against, at, sizeBytes)) {
        count.writtenBytes += await writeLeaf(sink, leaf, sizeBytes, against !== null)
        if (sink.isFull()) {
          await sink.cut()
          await writePiece(asking, key, index, hashes)
          const part = { leaf: at + 1, against: against?.key ?? null, hashedBytes: sizeBytes, pieceLeaves, ...count }
          await job.keepPart(part)
        }
      }
      if (leaf === next) await pace(at * leafBytes, bytesOf(leaf))
    }
    await writePiece(asking, key, index, hashes)
  }
}

/** Whether the image has this leaf already: as zeros, or in the copy that its head is equal to. */
function isHeld(
  hash: Buffer,
  held: Buffer,
  position: number,
  against: StoredCopy | null,
  leaf: number,
  sizeBytes: number,
): boolean {
  if (against === null) return hash.equals(hashAt(held, position))
  const { hashedBytes } = against.manifest
  const isSameExtent = extentOf(leaf, sizeBytes).length === extentOf(leaf, hashedBytes).length
  // beyond the copy's end the grown head is zero, and a leaf that was cut or grown is written again
  if (!isSameExtent && leaf * leafBytes < hashedBytes) return false
  return hash.equals(hashAt(held, position))
}

/** @returns bytes written */
async function writeLeaf(sink: Segments, leaf: Leaf, sizeBytes: number, isOverOther: boolean): Promise<number> {
  const { offset, length } = extentOf(leaf.index, sizeBytes)
  let at = offset
  const zerosUntil = async (end: number): Promise<void> => {
    if (isOverOther && end > at) await sink.zero({ offset: at, length: end - at })
    at = end
  }
  for (const one of joined(leaf.runs.filter((run) => !('zero' in run)))) {
    if ('zero' in one) continue
    await zerosUntil(one.offset)
    await sink.data(one)
    at += one.parts.reduce((sum, part) => sum + part.length, 0)
  }
  await zerosUntil(offset + length)
  return bytesOf(leaf)
}

/** The copy's hashes at the positions of the new piece; null without one. */
async function pieceOf(job: WriteJob, against: StoredCopy | null, index: number): Promise<Buffer | null> {
  if (against === null) return null
  const { pieceLeaves } = job.setting.pace
  const first = index * pieceLeaves
  const count = Math.min(pieceLeaves, leafCount(job.sizeBytes) - first)
  const piece = zeroPiece(first, count, job.sizeBytes)
  if (index >= against.manifest.pieces) return piece
  const stored = await readPiece(job.asking, against.key, index)
  // without its hashes, everything is written: no hash is of zero bytes
  if (stored === null) return Buffer.alloc(piece.length)
  stored.copy(piece)
  return piece
}

/** null when the piece in which it was broken off is missing: then everything begins anew. */
async function pieceSoFar({ asking, key }: WriteJob, part: NonNullable<Writer['part']>) {
  const index = Math.floor(part.leaf / part.pieceLeaves)
  if (part.leaf % part.pieceLeaves === 0) return { ...part, hashes: Buffer.alloc(0) }
  const hashes = await readPiece(asking, key, index)
  return hashes === null ? null : { ...part, hashes }
}
