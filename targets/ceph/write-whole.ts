/** Reads the whole capture and writes what the image does not hold yet; taken up again where its last segment ended. */
import type { Piece } from '../../librbd/leaf-acts.js'
import { leafBytes, leafHashBytes, zeroLeafHash } from '../../source/hash-fold.js'
import { leafCount } from '../../source/root-of-leaves.js'
import type { Copy } from '../target.js'
import { copyLeaves, type LeafWork } from './copy-leaves.js'
import { headIsCopy, headIsZero, resized, withHead, type Head } from './head.js'
import type { StoredCopy } from './image-state.js'
import { extentOf, hashAt, isHashAt, zeroPiece } from './leaves.js'
import type { Writer } from './manifest.js'
import { touchedLeaves } from './touched-leaves.js'
import { leavesInPiece, readGoodPiece } from './tree-store.js'
import type { Finish, WriteJob } from './write-job.js'

/** What a whole reading goes on from. */
export interface Start {
  /** A verified copy in the image: leaves that it has already are not written again. */
  against: StoredCopy | null
  /** How far an earlier attempt came against the same copy. */
  part: Writer['part']
}

/**
 * @param finish makes a copy of what is written; asked when the source has confirmed
 */
export async function writeWhole(job: WriteJob, start: Start, finish: Finish): Promise<Copy> {
  return withHead(job.asking, job.image, async (opened) => {
    await job.mustStillWrite()
    return writeOn(job, opened, start, finish)
  })
}

async function writeOn(job: WriteJob, opened: Head, start: Start, finish: Finish): Promise<Copy> {
  const { against } = start
  const { context, source, sizeBytes } = job
  // a later whole read is what finds out that an object map was wrong
  const wholeObject = source.wholeObject && job.state.copies.length === 0
  const part = start.part === null ? null : await pieceSoFar(job, start.part)
  // before the head is made another: whoever came after an attempt that dies then would believe the record
  if (start.part !== null && part === null) await job.keepPart(null)
  context.report({ phase: 'preparing the image' })
  const head = await headFor(job, opened, part, against)
  const leaf = part?.leaf ?? 0
  const count = { readBytes: part?.readBytes ?? 0, writtenBytes: part?.writtenBytes ?? 0 }
  await copyLeaves(job, {
    head,
    phase: against === null ? 'writing' : 'writing what differs',
    touched: touchedLeaves(source.asking, source.open, {
      since: null,
      from: leaf * leafBytes,
      wholeObject,
      stallMs: job.setting.pace.stallMs,
    }),
    from: { leaf, hashes: part?.hashes ?? null },
    workIn: async (piece) => {
      const held = await hashesOf(job, against, piece)
      const first = piece * job.setting.pace.pieceLeaves
      return { held, workOf: (index, touched) => workOf(job, against, { index, touched, held, at: index - first }) }
    },
    count,
    onSegment: async (next) => {
      const { pieceLeaves } = job.setting.pace
      await job.keepPart({ leaf: next, against: against?.key ?? null, hashedBytes: sizeBytes, pieceLeaves, ...count })
    },
  })
  await source.confirm(null)
  return finish(head, { read: 'whole', wholeObject, base: against, ...count })
}

async function headFor(
  { asking, setting, sizeBytes }: WriteJob,
  head: Head,
  part: Writer['part'],
  against: StoredCopy | null,
): Promise<Head> {
  // what lies there is the part
  if (part !== null) return resized(asking, head, sizeBytes)
  return against === null
    ? headIsZero(asking, head, sizeBytes)
    : headIsCopy(asking, head, against.manifest, { size: sizeBytes, wholeObject: false, stallMs: setting.pace.stallMs })
}

function workOf(
  { sizeBytes }: WriteJob,
  against: StoredCopy | null,
  { index, touched, held, at }: { index: number; touched: Piece[] | null; held: Buffer; at: number },
): LeafWork {
  const extent = extentOf(index, sizeBytes)
  const isKnown = isHeld(against, index, sizeBytes)
  if (touched === null && isKnown && isHashAt(held, at, zeroLeafHash(extent.length))) return null
  const unless = isKnown ? hashAt(held, at) : null
  if (touched === null) {
    // a hole is made zero; what turns out to be none is written as it was read
    return { write: [{ ...extent, zero: false }], unless, isLikelyHole: true }
  }
  return { write: against === null ? touched : withZeros(touched, extent), unless, isLikelyHole: false }
}

/** Whether the hash that is known of the head is of this very leaf: one that was cut or grown is written again. */
function isHeld(against: StoredCopy | null, leaf: number, sizeBytes: number): boolean {
  if (against === null) return true
  const { hashedBytes } = against.manifest
  return extentOf(leaf, sizeBytes).length === extentOf(leaf, hashedBytes).length || leaf * leafBytes >= hashedBytes
}

/** What lies between the pieces is zero, and on the head it may be anything. */
function withZeros(pieces: Piece[], { offset, length }: { offset: number; length: number }): Piece[] {
  const all: Piece[] = []
  let at = offset
  for (const piece of pieces) {
    if (piece.offset > at) all.push({ offset: at, length: piece.offset - at, zero: true })
    all.push(piece)
    at = piece.offset + piece.length
  }
  if (at < offset + length) all.push({ offset: at, length: offset + length - at, zero: true })
  return all
}

/** The copy's hashes at the positions of the new piece; zeros where it has none. */
async function hashesOf(job: WriteJob, against: StoredCopy | null, index: number): Promise<Buffer> {
  const { pieceLeaves } = job.setting.pace
  const first = index * pieceLeaves
  const count = Math.min(pieceLeaves, leafCount(job.sizeBytes) - first)
  const piece = zeroPiece(first, count, job.sizeBytes)
  if (against === null || index >= against.manifest.pieces) return piece
  const stored = await readGoodPiece(job.asking, against.key, index)
  // without its hashes, everything is written: no hash is of zero bytes
  if (stored === null) return Buffer.alloc(piece.length)
  stored.copy(piece)
  return piece
}

/** null when a piece of the tree is missing that leads to where it was broken off: then everything begins anew. */
async function pieceSoFar({ asking, key }: WriteJob, part: NonNullable<Writer['part']>) {
  let hashes: Buffer | null = Buffer.alloc(0)
  for (let index = 0; index * part.pieceLeaves < part.leaf; index += 1) {
    hashes = await readGoodPiece(asking, key, index)
    if (hashes?.length !== leavesInPiece(index, part) * leafHashBytes) return null
  }
  return { ...part, hashes: part.leaf % part.pieceLeaves === 0 ? null : hashes }
}
