import { zeroLeafHash } from '../../source/hash-fold.js'
import { leafCount } from '../../source/root-of-leaves.js'
import type { Asking } from './asking.js'
import type { ImageState, StoredCopy } from './image-state.js'
import { extentOf, hashAt } from './leaves.js'
import { keyOf } from './names.js'
import { isTreeWhole, readGoodPiece } from './tree-store.js'

/** A leaf that reads back as other bytes, and the hash that it should have. */
export interface OtherLeaf {
  index: number
  wanted: Buffer
}

/**
 * Whether a leaf that reads back wrong tells of a difference that left something out: it was written for this copy, upon
 * what the base has there. One that has the base's hash was not: time or a stray writer spoiled it, and that says nothing of
 * what the source left out. What cannot be told is no evidence.
 */
export async function isMissedLeaf(
  asking: Asking,
  { copies }: Pick<ImageState, 'copies'>,
  { manifest }: Pick<StoredCopy, 'manifest'>,
  { index, wanted }: OtherLeaf,
): Promise<boolean> {
  const { base, read, hashedBytes, pieceLeaves } = manifest
  const old = copies.find(({ key }) => base !== null && key === keyOf(base))
  if (read === 'whole' || old === undefined || old.manifest.pieceLeaves !== pieceLeaves) return false
  if (index >= leafCount(old.manifest.hashedBytes)) {
    return !wanted.equals(zeroLeafHash(extentOf(index, hashedBytes).length))
  }
  if (!(await isTreeWhole(asking, old))) return false
  const piece = await readGoodPiece(asking, old.key, Math.floor(index / pieceLeaves))
  return piece !== null && !wanted.equals(hashAt(piece, index % pieceLeaves))
}
