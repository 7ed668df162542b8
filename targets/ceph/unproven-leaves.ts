import { leafBytes, leafHashBytes, zeroLeafHash } from '../../source/hash-fold.js'
import { leafCount } from '../../source/root-of-leaves.js'
import type { CopyContext } from '../target.js'
import type { Asking } from './asking.js'
import type { StoredCopy } from './image-state.js'
import { inTurn } from './in-turn.js'
import { knownHoles } from './known-holes.js'
import { extentOf, isHashAt, isSameAt, zeroPiece } from './leaves.js'
import { touchedLeaves } from './touched-leaves.js'
import { readGoodPiece, type PieceReader } from './tree-store.js'

/**
 * Which leaves of a copy must be read back, as one byte each: those that its tree says differ from the base's, those that
 * the target itself says were touched since the base's RBD snapshot, whoever touched them, and a share of the others in
 * turn. What is left is as it was in the base, which was proven. Without a base, everything that may hold data or should.
 * @param of.wholeObject the target is asked by the image's object map
 */
export async function unprovenLeaves(
  asking: Asking,
  of: {
    stored: StoredCopy
    tree: PieceReader
    base: StoredCopy | null
    open: { open: number; size: number }
    wholeObject: boolean
    stallMs: number
  },
  context: CopyContext,
): Promise<Uint8Array> {
  const { stored, tree, base, open, wholeObject, stallMs } = of
  const { manifest } = stored
  const { hashedBytes, pieceLeaves, pieces } = manifest
  const count = leafCount(hashedBytes)
  const unproven = new Uint8Array(count)

  async function addTouched(since: string | null, from: number): Promise<void> {
    for await (const { index } of touchedLeaves(asking, open, { since, from, wholeObject, stallMs }))
      unproven[index] = 1
  }

  async function addInTurn(pieceFirst: number, hashes: Buffer): Promise<void> {
    const range = inTurn({ first: pieceFirst, end: pieceFirst + hashes.length / leafHashBytes }, manifest)
    const isHole = await knownHoles(asking, open, { range, hashes, pieceFirst, stallMs })
    for (let leaf = range.first; leaf < range.end; leaf += 1) {
      const zero = zeroLeafHash(extentOf(leaf, hashedBytes).length)
      const isProven = isHole(leaf) && isHashAt(hashes, leaf - pieceFirst, zero)
      if (!isProven) unproven[leaf] = 1
    }
  }

  context.report({ phase: 'looking for what the copy holds' })
  await addTouched(base?.manifest.copySnapshot.name ?? null, 0)
  if (base !== null && base.manifest.hashedBytes < hashedBytes) {
    // beyond the base's end there is nothing that a difference could start from
    const border = Math.floor(base.manifest.hashedBytes / leafBytes) * leafBytes
    await addTouched(null, border)
  }

  for (let index = 0; index < pieces; index += 1) {
    const first = index * pieceLeaves
    const size = Math.min(pieceLeaves, count - first)
    const piece = await tree(index)
    const before = await hashesBefore(asking, base, index, zeroPiece(first, size, hashedBytes))
    const isWhole = piece?.length === before.length
    for (let at = 0; at < size; at += 1) if (!isWhole || !isSameAt(piece, before, at)) unproven[first + at] = 1
    if (base !== null && piece !== null) await addInTurn(first, piece)
    if (base !== null) markBorder(unproven, base.manifest.hashedBytes, hashedBytes)
  }
  return unproven
}

/** What the base's tree says of the same leaves; zeros where it has none, or there is no base. */
async function hashesBefore(asking: Asking, base: StoredCopy | null, index: number, zeros: Buffer): Promise<Buffer> {
  if (base === null || index >= base.manifest.pieces) return zeros
  const stored = await readGoodPiece(asking, base.key, index)
  // no hash is of zero bytes: everything counts as new
  if (stored === null) return Buffer.alloc(zeros.length)
  stored.copy(zeros)
  return zeros
}

/** The leaf that was cut or grown. */
function markBorder(unproven: Uint8Array, before: number, now: number): void {
  if (before === now) return
  const leaf = Math.floor(Math.min(before, now) / leafBytes)
  if (leaf < unproven.length && extentOf(leaf, before).length !== extentOf(leaf, now).length) unproven[leaf] = 1
}
