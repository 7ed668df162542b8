import { leafBytes, zeroLeafHash } from '../../source/hash-fold.js'
import type { Asking } from './asking.js'
import { isWithin, type LeafRange } from './in-turn.js'
import { extentOf, isHashAt } from './leaves.js'
import { touchedLeaves } from './touched-leaves.js'

/**
 * Which leaves of a range are zero since nothing lies there. Asked of the objects themselves, never of an object map, and
 * only when a leaf of the range should be zero.
 * @param hashes what the range's piece should hold, from its leaf `pieceFirst` on
 */
export async function knownHoles(
  asking: Asking,
  open: { open: number; size: number },
  of: { range: LeafRange; hashes: Buffer; pieceFirst: number; stallMs: number },
): Promise<(leaf: number) => boolean> {
  const { range, hashes, pieceFirst, stallMs } = of
  if (!hasZeros(hashes, range, pieceFirst, open.size)) return () => false
  const held = new Set<number>()
  const window = { from: range.first * leafBytes, until: range.end * leafBytes }
  for await (const { index } of touchedLeaves(asking, open, { since: null, ...window, stallMs })) held.add(index)
  return (leaf) => isWithin(leaf, range) && !held.has(leaf)
}

function hasZeros(hashes: Buffer, { first, end }: LeafRange, pieceFirst: number, size: number): boolean {
  for (let leaf = first; leaf < end; leaf += 1)
    if (isHashAt(hashes, leaf - pieceFirst, zeroLeafHash(extentOf(leaf, size).length))) return true
  return false
}
