/**
 * The hash tree's leaves as objects of the pool, `ck-tree.<archive>.<snapshot>.<n>`: gzip of 32 bytes a leaf. Only leaves
 * are kept, the root in the manifest covers them.
 */
import { promisify } from 'node:util'
import { gunzip, gzip } from 'node:zlib'
import { CodedError } from '../../errors/coded-error.js'
import { leafHashBytes } from '../../source/hash-fold.js'
import { leafCount, rootOfLeaves } from '../../source/root-of-leaves.js'
import { ask, placeOf, saysUnreadable, type Asking } from './asking.js'
import type { StoredCopy } from './image-state.js'
import type { Manifest } from './manifest.js'
import { treeObject } from './names.js'

const compress = promisify(gzip)
const decompress = promisify(gunzip)

export function piecesOf(hashedBytes: number, pieceLeaves: number): number {
  return Math.ceil(leafCount(hashedBytes) / pieceLeaves)
}

export async function writePiece(asking: Asking, key: string, index: number, leaves: Buffer): Promise<void> {
  // zeros and unchanged parts shrink, hashes do not: the quickest level does as well as any
  const bytes = await compress(leaves, { level: 1 })
  await ask(asking, 'putObject', { place: placeOf(asking.access), name: treeObject(key, index), bytes })
}

/** null when it is not there. @throws CodedError `CK-TREE-DAMAGED` when it is no piece of a tree, or cannot be read */
export async function readPiece(asking: Asking, key: string, index: number): Promise<Buffer | null> {
  const name = treeObject(key, index)
  const packed = await ask(asking, 'getObject', { place: placeOf(asking.access), name }).catch((error: unknown) => {
    throw saysUnreadable(error) ? pieceDamaged(name) : error
  })
  if (packed === null) return null
  try {
    const leaves = await decompress(packed, { maxOutputLength: 64 * 2 ** 20 })
    if (leaves.length % leafHashBytes === 0) return leaves
  } catch {
    // said below
  }
  throw pieceDamaged(name)
}

function pieceDamaged(name: string): CodedError {
  return new CodedError('CK-TREE-DAMAGED', `the object ${name} of a hash tree is damaged`, {
    cure: 'The copy cannot be proven with it. Archive the volume anew, and look at the health of the cluster that holds copies.',
  })
}

/** null also for one that is damaged: for whoever can do without it. */
export async function readGoodPiece(asking: Asking, key: string, index: number): Promise<Buffer | null> {
  try {
    return await readPiece(asking, key, index)
  } catch (error) {
    if (error instanceof CodedError && error.code === 'CK-TREE-DAMAGED') return null
    throw error
  }
}

export type PieceReader = (index: number) => Promise<Buffer | null>

/** `readPiece` that keeps the last one, for trees of a single piece that are gone through several times. */
export function pieceReader(asking: Asking, key: string): PieceReader {
  let last: { index: number; piece: Promise<Buffer | null> } | undefined
  return async (index) => {
    if (last?.index !== index) last = { index, piece: readPiece(asking, key, index) }
    return last.piece
  }
}

/** How many leaves a piece has: all as many, but for the last one. */
export function leavesInPiece(
  index: number,
  { hashedBytes, pieceLeaves }: Pick<Manifest, 'hashedBytes' | 'pieceLeaves'>,
): number {
  return Math.max(0, Math.min(pieceLeaves, leafCount(hashedBytes) - index * pieceLeaves))
}

/**
 * All leaves in their order.
 * @throws CodedError `CK-TREE-DAMAGED` also for a piece that is missing, or has more or fewer leaves than it should: with the
 * same leaves in all, others would be taken for those of a place
 */
export async function* readPieces(
  read: PieceReader,
  key: string,
  of: Pick<Manifest, 'hashedBytes' | 'pieceLeaves'>,
): AsyncGenerator<Buffer, void, undefined> {
  for (let index = 0; index < piecesOf(of.hashedBytes, of.pieceLeaves); index += 1) {
    const piece = await read(index)
    if (piece === null) {
      throw new CodedError('CK-TREE-DAMAGED', `the object ${treeObject(key, index)} of a hash tree is missing`, {
        cure: 'The copy cannot be proven without it. Archive the volume anew, and look who removes objects from the pool.',
      })
    }
    if (piece.length !== leavesInPiece(index, of) * leafHashBytes) throw pieceDamaged(treeObject(key, index))
    yield piece
  }
}

/** Whether a copy's tree is the one that its sealed manifest names: whoever writes to the pool can put another one there. */
export async function isTreeWhole(
  asking: Asking,
  { key, manifest }: Pick<StoredCopy, 'key' | 'manifest'>,
): Promise<boolean> {
  try {
    const pieces = readPieces(pieceReader(asking, key), key, manifest)
    return (await rootOfLeaves(manifest.hashedBytes, pieces)) === manifest.rootHash
  } catch (error) {
    if (error instanceof CodedError && error.code === 'CK-TREE-DAMAGED') return false
    throw error
  }
}

/** Content with what is gone already. */
export async function removeTree(asking: Asking, key: string, pieces: number): Promise<void> {
  for (let index = 0; index < pieces; index += 1) {
    await ask(asking, 'removeObject', { place: placeOf(asking.access), name: treeObject(key, index) })
  }
}
