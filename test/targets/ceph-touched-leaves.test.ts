/** What a difference says, as leaves: compared with a map of every byte. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { leafBytes } from '../../source/hash-fold.js'
import { leavesIn, type TouchedLeaf } from '../../targets/ceph/touched-leaves.js'

/** Offset, length, and 1 or 0 for whether there may be data. */
type Extent = [offset: number, length: number, exists: number]

/** Everything is counted in these, so that a map of all is small. */
const grain = leafBytes / 8
const most = 10 * leafBytes

/** Extents one behind the other, some without a gap, some of no bytes; all of them in a window that begins with a leaf. */
const given = fc
  .record({
    from: fc.nat(3).map((leaf) => leaf * leafBytes),
    steps: fc.array(
      fc.record({
        gap: fc.oneof(fc.constant(0), fc.nat(20)),
        length: fc.oneof(fc.nat(3), fc.integer({ min: 1, max: 30 })),
        exists: fc.nat(1),
      }),
      { maxLength: 12 },
    ),
    rest: fc.nat(9),
  })
  .map(({ from, steps, rest }) => {
    let at = from
    const extents: Extent[] = []
    for (const { gap, length, exists } of steps) {
      const offset = at + gap * grain
      at = offset + length * grain
      extents.push([offset, length * grain, exists])
    }
    return { extents, window: { offset: from, length: at - from + rest * grain } }
  })

const shuffled = given.chain(({ extents, window }) =>
  fc
    .shuffledSubarray(extents, { minLength: extents.length, maxLength: extents.length })
    .map((mixed) => ({ mixed, extents, window })),
)

type Known = 'data' | 'zero' | undefined

/** What is known of each grain, by its number. */
function mapOf(extents: readonly Extent[]): Known[] {
  const map: Known[] = Array.from({ length: (most * 16) / grain })
  for (const [offset, length, exists] of extents)
    map.fill(exists === 1 ? 'data' : 'zero', offset / grain, (offset + length) / grain)
  return map
}

function mapOfLeaves(leaves: readonly TouchedLeaf[]): Known[] {
  return mapOf(
    leaves.flatMap(({ pieces }) => pieces.map(({ offset, length, zero }): Extent => [offset, length, zero ? 0 : 1])),
  )
}

const refused = expect.objectContaining({ code: 'CK-SOURCE-STREAM' }) as unknown

function refusal(extents: readonly Extent[], window: { offset: number; length: number }): unknown {
  try {
    return leavesIn(extents.flat(), window)
  } catch (error) {
    return error
  }
}

describe('the leaves of a difference', () => {
  it('hold exactly what its extents name, in whatever order they came', () => {
    fc.assert(
      fc.property(shuffled, ({ mixed, extents, window }) => {
        const leaves = leavesIn(mixed.flat(), window)
        expect(mapOfLeaves(leaves)).toEqual(mapOf(extents))
        expect(leavesIn(extents.flat(), window)).toEqual(leaves)
      }),
    )
  })

  it('ascend, each with pieces of its own that ascend, hold bytes and could not be joined', () => {
    fc.assert(
      fc.property(shuffled, ({ mixed, window }) => {
        let last = -1
        for (const { index, pieces } of leavesIn(mixed.flat(), window)) {
          expect(index).toBeGreaterThan(last)
          last = index
          expect(pieces.length).toBeGreaterThan(0)
          let reached = index * leafBytes
          let before: boolean | undefined
          for (const { offset, length, zero } of pieces) {
            expect(length).toBeGreaterThan(0)
            expect(offset).toBeGreaterThanOrEqual(reached)
            if (offset === reached && before !== undefined) expect(zero).not.toBe(before)
            reached = offset + length
            before = zero
          }
          expect(reached).toBeLessThanOrEqual((index + 1) * leafBytes)
        }
      }),
    )
  })

  it('are no more than the leaves that an extent reaches into', () => {
    expect(leavesIn([], { offset: 0, length: leafBytes })).toEqual([])
    expect(leavesIn([5, 0, 1], { offset: 0, length: leafBytes })).toEqual([])
    expect(leavesIn([leafBytes - 1, 2, 1], { offset: 0, length: 2 * leafBytes })).toEqual([
      { index: 0, pieces: [{ offset: leafBytes - 1, length: 1, zero: false }] },
      { index: 1, pieces: [{ offset: leafBytes, length: 1, zero: false }] },
    ])
    // far out
    const far = 2 ** 44
    expect(leavesIn([far, 512, 0], { offset: far, length: leafBytes })).toEqual([
      { index: far / leafBytes, pieces: [{ offset: far, length: 512, zero: true }] },
    ])
  })

  it('are refused when an extent overlaps another', () => {
    fc.assert(
      fc.property(
        shuffled.filter(({ extents }) => extents.some(([, length]) => length > 0)),
        fc.nat(),
        fc.nat(1),
        ({ mixed, extents, window }, which, exists) => {
          const some = extents.filter(([, length]) => length > 0)
          const [offset, length] = some[which % some.length] ?? [0, 0]
          // one byte of it is enough
          expect(refusal([...mixed, [offset + length - 1, 1, exists]], window)).toEqual(refused)
          expect(refusal([[offset, 1, exists], ...mixed], window)).toEqual(refused)
        },
      ),
    )
  })

  it('are refused when an extent reaches out of what was asked for', () => {
    fc.assert(
      fc.property(shuffled, fc.integer({ min: 1, max: most }), fc.nat(1), ({ mixed, window }, length, exists) => {
        const end = window.offset + window.length
        expect(refusal([...mixed, [end, length, exists]], window)).toEqual(refused)
        if (window.offset >= length)
          expect(refusal([...mixed, [window.offset - length, length, exists]], window)).toEqual(refused)
      }),
    )
  })
})
