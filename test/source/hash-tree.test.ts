import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { leafBytes } from '../../source/hash-fold.js'
import { createHashTree } from '../../source/hash-tree.js'
import { naiveRoot, sha256, someBytes } from './naive-root.js'

function rootOf(volume: Buffer): string {
  const tree = createHashTree(volume.length)
  tree.add({ offset: 0, data: volume })
  return tree.finish()
}

describe('hash tree', () => {
  it('has the documented roots for fixed volumes', () => {
    expect(createHashTree(0).finish()).toBe(
      'sha256-4m:4322fd2bc0a137d1375b37b3b2e2b4715b3d3dd7ca9682438d4fea0f8437fad3',
    )
    expect(rootOf(Buffer.from('cinderkeep'))).toBe(
      'sha256-4m:7967395494865154b07674077dc94433a364c5a0c7835ca3466eaa4a485368a1',
    )
    // 9 MiB + 5 bytes of 0xa5: two whole leaves and a short one, which is promoted
    expect(rootOf(Buffer.alloc(9 * 1024 * 1024 + 5, 0xa5))).toBe(
      'sha256-4m:cc2a83b0c4abeb6c251b448e840d5b6f7a01a8fdc13d802b7e46fb32d473cd44',
    )
  })

  it('agrees with a naive tree for every number of leaves up to nine, whole and short', () => {
    for (let leaves = 0; leaves <= 9; leaves += 1) {
      for (const beyond of [0, 1, leafBytes - 1]) {
        const volume = someBytes(`${leaves}/${beyond}`, leaves * leafBytes + beyond)
        expect(rootOf(volume)).toBe(naiveRoot(volume))
      }
    }
  })

  it('gives one root however the volume is cut into runs and whichever zeros are left out', () => {
    const size = 3 * leafBytes + 12_345
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(size), fc.nat(2 * leafBytes)), { maxLength: 6 }),
        fc.array(fc.nat(size), { maxLength: 12 }),
        (written, cuts) => {
          const volume = Buffer.alloc(size)
          for (const [offset, length] of written) someBytes(`${offset}`, length).copy(volume, offset)
          const borders = [...new Set([0, ...cuts, size])].sort((one, other) => one - other)
          const tree = createHashTree(size)
          borders.forEach((offset, at) => {
            const data = volume.subarray(offset, borders[at + 1] ?? size)
            if (data.some((byte) => byte !== 0)) tree.add({ offset, data })
          })
          expect(tree.finish()).toBe(naiveRoot(volume))
        },
      ),
      { numRuns: 25 },
    )
  })

  it('folds a gap of any length and place like the zeros it stands for', () => {
    for (const [leavesBefore, leavesOfZeros, leavesAfter] of [
      [1, 7, 1],
      [3, 5, 2],
      [0, 11, 1],
      [5, 8, 0],
    ] as const) {
      const before = someBytes('before', leavesBefore * leafBytes)
      const after = someBytes('after', leavesAfter * leafBytes)
      const volume = Buffer.concat([before, Buffer.alloc(leavesOfZeros * leafBytes), after])
      const tree = createHashTree(volume.length)
      tree.add({ offset: 0, data: before })
      tree.add({ offset: volume.length - after.length, data: after })
      expect(tree.finish()).toBe(naiveRoot(volume))
    }
  })

  it('hashes an empty volume of 16 TiB without reading its zeros', () => {
    const size = 16 * 1024 ** 4
    const leaf = sha256(Buffer.from([0]), Buffer.alloc(leafBytes))
    let top = leaf
    for (let leaves = 1; leaves < size / leafBytes; leaves *= 2) top = sha256(Buffer.from([1]), top, top)
    const sizeField = Buffer.alloc(8)
    sizeField.writeBigUInt64LE(BigInt(size))
    const root = sha256(Buffer.from([2]), sizeField, top).toString('hex')
    expect(createHashTree(size).finish()).toBe(`sha256-4m:${root}`)
  })

  it('tells volumes apart that differ only in zeros at their end', () => {
    expect(createHashTree(leafBytes).finish()).not.toBe(createHashTree(leafBytes - 1).finish())
    expect(createHashTree(0).finish()).not.toBe(createHashTree(1).finish())
  })

  it('refuses runs that overlap, go back or leave the volume', () => {
    const data = Buffer.alloc(100, 1)
    for (const offset of [0, 50, 99]) {
      const tree = createHashTree(1000)
      tree.add({ offset: 0, data })
      expect(() => {
        tree.add({ offset, data })
      }).toThrow(expect.objectContaining({ code: 'CK-SOURCE-ORDER' }))
    }
    expect(() => {
      createHashTree(1000).add({ offset: 901, data })
    }).toThrow(expect.objectContaining({ code: 'CK-SOURCE-ORDER' }))
  })
})
