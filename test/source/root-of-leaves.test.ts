import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { hashLeaf, leafBytes, leafHashBytes, zeroLeafHash } from '../../source/hash-fold.js'
import { createHashTree } from '../../source/hash-tree.js'
import { leafCount, rootOfLeaves } from '../../source/root-of-leaves.js'
import { naiveRoot, someBytes } from './naive-root.js'

interface Leaf {
  index: number
  hash: Buffer
  isZero: boolean
}

/** The leaves that a tree tells, and its root. */
function leavesOf(volume: Buffer, runs: { offset: number; length: number }[]): { leaves: Leaf[]; root: string } {
  const leaves: Leaf[] = []
  const tree = createHashTree(volume.length, {
    onLeaf: (index, hash, isZero) => {
      leaves.push({ index, hash: Buffer.from(hash), isZero })
    },
  })
  for (const { offset, length } of runs) tree.add({ offset, data: volume.subarray(offset, offset + length) })
  return { root: tree.finish(), leaves }
}

function pieces(leaves: Leaf[], ofLeaves: number): Buffer[] {
  const all = Buffer.concat(leaves.map(({ hash }) => hash))
  const cut: Buffer[] = []
  for (let at = 0; at < all.length; at += ofLeaves * leafHashBytes)
    cut.push(all.subarray(at, at + ofLeaves * leafHashBytes))
  return cut
}

describe('the leaves of a hash tree', () => {
  it('are told once each, in order, with their hashes, and make the same root however they are stored', async () => {
    const size = 5 * leafBytes + 321
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat(size - 1), fc.integer({ min: 1, max: 2 * leafBytes })), { maxLength: 4 }),
        fc.integer({ min: 1, max: 7 }),
        async (written, ofLeaves) => {
          const volume = Buffer.alloc(size)
          const places = written
            .map(([offset, length]) => ({ offset, length: Math.min(length, size - offset) }))
            .sort((one, other) => one.offset - other.offset)
          for (const { offset, length } of places) someBytes(`${offset}`, length).copy(volume, offset)
          const ends = places.reduce<{ offset: number; length: number }[]>((runs, { offset, length }) => {
            const reached = Math.max(0, ...runs.map((run) => run.offset + run.length))
            const from = Math.max(offset, reached)
            return offset + length > from ? [...runs, { offset: from, length: offset + length - from }] : runs
          }, [])
          const { leaves, root } = leavesOf(volume, ends)
          expect(root).toBe(naiveRoot(volume))
          expect(leaves.map(({ index }) => index)).toEqual([0, 1, 2, 3, 4, 5])
          for (const { index, hash, isZero } of leaves) {
            const bytes = volume.subarray(index * leafBytes, (index + 1) * leafBytes)
            expect(hash.equals(hashLeaf(bytes))).toBe(true)
            expect(isZero).toBe(bytes.every((byte) => byte === 0))
            if (isZero) expect(hash.equals(zeroLeafHash(bytes.length))).toBe(true)
          }
          expect(await rootOfLeaves(size, pieces(leaves, ofLeaves))).toBe(root)
        },
      ),
      { numRuns: 15 },
    )
  })

  it('make the root of 1 TiB of zeros from pieces, as the tree does', async () => {
    const size = 1024 ** 4
    const piece = Buffer.alloc(131_072 * leafHashBytes)
    for (let at = 0; at < piece.length; at += leafHashBytes) zeroLeafHash(leafBytes).copy(piece, at)
    expect(leafCount(size)).toBe(2 * 131_072)
    expect(await rootOfLeaves(size, [piece, piece])).toBe(createHashTree(size).finish())
  })

  it('are refused when they are more or fewer than the volume has, or cut', async () => {
    const volume = someBytes('volume', 2 * leafBytes + 1)
    const { leaves, root } = leavesOf(volume, [{ offset: 0, length: volume.length }])
    const [all = Buffer.alloc(0)] = pieces(leaves, 3)
    expect(await rootOfLeaves(volume.length, [all])).toBe(root)
    for (const wrong of [[], [all.subarray(32)], [all, all.subarray(0, 32)], [all.subarray(0, 95)]]) {
      await expect(rootOfLeaves(volume.length, wrong)).rejects.toMatchObject({ code: 'CK-SOURCE-ORDER' })
    }
    expect(await rootOfLeaves(0, [])).toBe(createHashTree(0).finish())
  })
})
