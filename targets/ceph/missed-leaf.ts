import { zeroLeafHash } from '../../source/hash-fold.js'
import { leafCount } from '../../source/root-of-leaves.js'
import type { Asking } from './asking.js'
import type { ImageState, StoredCopy } from './image-state.js'
import { extentOf, hashAt } from './leaves.js'
import { keyOf } from './names.js'
import { openCopy, readLeaf } from './read-leaf.js'
import { isTreeWhole, readGoodPiece } from './tree-store.js'

/** A leaf that is other bytes than it should be, or cannot be read, and the hash that it should have. */
export interface OtherLeaf {
  index: number
  wanted: Buffer
  isRead: boolean
}

/**
 * Whether a leaf that reads back wrong tells of a difference that left something out: it was written for this copy, upon
 * what the base has there. One that should have the base's hash was not, and where the base's is wrong as well it was written
 * upon wrong bytes: time or a stray writer spoiled them, and that says nothing of what the source left out. What cannot be told
 * is no evidence.
 */
export async function isMissedLeaf(
  asking: Asking,
  { copies }: Pick<ImageState, 'copies'>,
  { manifest }: Pick<StoredCopy, 'manifest'>,
  { index, wanted, isRead }: OtherLeaf,
  stallMs: number,
): Promise<boolean> {
  const { base, read, hashedBytes, pieceLeaves } = manifest
  const old = copies.find(({ key, isThere }) => base !== null && key === keyOf(base) && isThere)
  if (!isRead || read === 'whole' || old === undefined || old.manifest.pieceLeaves !== pieceLeaves) return false
  if (index >= leafCount(old.manifest.hashedBytes)) {
    return !wanted.equals(zeroLeafHash(extentOf(index, hashedBytes).length))
  }
  if (!(await isTreeWhole(asking, old))) return false
  const piece = await readGoodPiece(asking, old.key, Math.floor(index / pieceLeaves))
  if (piece === null) return false
  const held = hashAt(piece, index % pieceLeaves)
  return !wanted.equals(held) && (await isAsHeld(asking, old, { index, held, stallMs }))
}

async function isAsHeld(
  asking: Asking,
  { manifest }: StoredCopy,
  { index, held, stallMs }: { index: number; held: Buffer; stallMs: number },
): Promise<boolean> {
  const { open } = await openCopy(asking, manifest)
  const found = await readLeaf({ asking, open, hashedBytes: manifest.hashedBytes, stallMs }, index)
  return found !== null && held.equals(found.hash)
}
