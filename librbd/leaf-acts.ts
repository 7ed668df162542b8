/** Moves leaves: read once, hashed where they lie in memory, written from there. */
import { constants } from 'node:os'
import { leafBytes, leafHashBytes, zeroLeafHash } from '../source/hash-fold.js'
import { diff } from './diff.js'
import { check, LibrbdError } from './failures.js'
import { aside, libraries, nativeMemory, out, type Handle } from './libraries.js'
import { handleOf } from './open-images.js'

/** A part of a leaf to be written. */
export interface Piece {
  offset: number
  length: number
  /** Made zero, whatever was read; takes no room. */
  zero: boolean
}

export interface LeafMove {
  /** The open image or RBD snapshot to read. */
  from: number
  offset: number
  length: number
  /** It is likely a hole, or is not to be read if it is one: that is asked first. */
  isLikelyHole: boolean
  /** Where to write; null to hash alone. */
  to: {
    open: number
    pieces: Piece[]
    /** Nothing is written when the leaf has this hash. */ unless: Uint8Array | null
  } | null
  /** A cluster that does not answer for so long fails the act. The process must be ended then. */
  stallMs: number
}

export interface MovedLeaf {
  hash: Uint8Array
  readBytes: number
  /** Zeros not counted. */
  writtenBytes: number
}

/** Enough that the disks have work while a leaf is hashed. */
const leavesInMemory = 6
/** The prefix of a leaf stands just before it (source/hash-fold.ts), the leaf itself at a page's beginning. */
const leafStart = 4096

interface LeafMemory {
  leaf: bigint
  prefixed: bigint
}

const free: LeafMemory[] = []
let allocated = 0
const waiting: { resolve: (memory: LeafMemory) => void; reject: (error: unknown) => void }[] = []

/** As many at once as there is memory for; the others wait. */
export async function moveLeaf(move: LeafMove): Promise<MovedLeaf> {
  const { from, offset, length, isLikelyHole } = move
  mustFit(move)
  if (isLikelyHole && (await diff({ open: from, from: null, offset, length, wholeObject: false })).length === 0) {
    return write(move, { hash: zeroLeafHash(length), readBytes: 0 }, null)
  }
  const memory = await take()
  try {
    const reading = begin(`rbd: read of ${length} bytes at ${offset} failed`, (completion) =>
      libraries().read(handleOf({ open: from }), offset, length, memory.leaf, completion, readFlags),
    )
    await ended(reading, length, move)
    const hash = Buffer.alloc(leafHashBytes)
    await aside(libraries().sha256, memory.prefixed, length + 1, hash)
    const moved = await write(move, { hash, readBytes: length }, memory)
    give(memory)
    return moved
  } catch (error) {
    lose(error)
    throw error
  }
}

/** C checks no borders: a length that is wrong would read and write other memory than the leaf's. */
function mustFit({ offset, length, to }: LeafMove): void {
  const isInside = (piece: Piece): boolean =>
    piece.offset >= offset && piece.length >= 0 && piece.offset + piece.length <= offset + length
  if (length >= 0 && length <= leafBytes && (to === null || to.pieces.every(isInside))) return
  throw new RangeError(`no leaf, or pieces outside of it: ${length} bytes at ${offset}`)
}

/** Everything that was written to an open image is on the disks of its cluster. */
export async function flush(open: { open: number }): Promise<void> {
  check(await aside(libraries().flush, handleOf(open)), 'rbd: flush failed')
}

async function write(
  { to, offset, ...move }: LeafMove,
  read: { hash: Buffer; readBytes: number },
  memory: LeafMemory | null,
): Promise<MovedLeaf> {
  if (to === null || (to.unless !== null && read.hash.equals(to.unless))) return { ...read, writtenBytes: 0 }
  const image = handleOf(to)
  const writing = to.pieces.map((piece) =>
    begin(`rbd: write of ${piece.length} bytes at ${piece.offset} failed`, (completion) =>
      writePiece(image, piece, memory === null ? null : memory.leaf + BigInt(piece.offset - offset), completion),
    ),
  )
  // a leaf of a database has hundreds: waited for in turn, since koffi runs no more than 256 calls at once
  for (const one of writing) await ended(one, 0, move)
  const data = to.pieces.filter(({ zero }) => !zero && memory !== null)
  return { ...read, writtenBytes: data.reduce((sum, { length }) => sum + length, 0) }
}

function writePiece(image: Handle, { offset, length, zero }: Piece, bytes: bigint | null, completion: Handle): number {
  const calls = libraries()
  // not a discard: that leaves out what is no whole unit of it
  if (zero || bytes === null) return calls.writeZeroes(image, offset, length, completion, 0, 0)
  return calls.write(image, offset, length, bytes, completion, writeFlags)
}

/** rados/librados.h: LIBRADOS_OP_FLAG_FADVISE_SEQUENTIAL and …_NOCACHE, as `rbd export-diff` reads. */
const readFlags = 0x8 | 0x40
/** …_SEQUENTIAL and …_NOCACHE, as `rbd import-diff` writes. */
const writeFlags = 0x8 | 0x40

/** What librbd was asked for and has not answered yet. */
interface Begun {
  what: string
  completion: Handle
}

function begin(what: string, start: (completion: Handle) => number): Begun {
  const made = out<Handle>()
  check(libraries().createCompletion(null, null, made), what)
  const [completion] = made
  check(start(completion), what)
  return { what, completion }
}

/** @param wanted what the result must be: the bytes of a read, 0 of a write */
async function ended({ what, completion }: Begun, wanted: number, { stallMs }: { stallMs: number }): Promise<void> {
  const calls = libraries()
  // a turn in another thread costs more than many a read
  if (calls.isComplete(completion) === 0) await inTime(aside(calls.waitFor, completion), stallMs, what)
  const result = Number(calls.resultOf(completion))
  calls.release(completion)
  check(result, what)
  if (result !== wanted) throw new LibrbdError(`${what}: ${result} bytes came`, constants.errno.EIO)
}

async function inTime(end: Promise<unknown>, stallMs: number, what: string): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new LibrbdError(what, constants.errno.ETIMEDOUT))
    }, stallMs)
  })
  try {
    await Promise.race([end, late])
  } finally {
    clearTimeout(timer)
  }
}

async function take(): Promise<LeafMemory> {
  const unused = free.pop()
  if (unused !== undefined) return unused
  if (allocated < leavesInMemory) {
    allocated += 1
    const { pointer, bytes } = nativeMemory(leafStart + leafBytes)
    bytes.fill(0, 0, leafStart)
    return { leaf: pointer + BigInt(leafStart), prefixed: pointer + BigInt(leafStart - 1) }
  }
  return new Promise((resolve, reject) => waiting.push({ resolve, reject }))
}

function give(memory: LeafMemory): void {
  const next = waiting.shift()
  if (next === undefined) free.push(memory)
  else next.resolve(memory)
}

/** After a failure the memory may still be written to: it is never used again, and nobody waits for it. */
function lose(error: unknown): void {
  allocated -= 1
  for (const one of waiting.splice(0)) one.reject(error)
}
