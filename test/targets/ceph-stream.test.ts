/** The streams that `rbd import-diff` is given are those that our own parser takes, and leaves are cut as the tree is. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { hashLeaf, leafBytes } from '../../source/hash-fold.js'
import { parseRbdDiff } from '../../source/rbd-diff-stream.js'
import type { DataRun, ZeroRun } from '../../source/source.js'
import { extentRecord, headRecords } from '../../targets/ceph/import-diff.js'
import { extentOf, hashOfLeaf, leavesOf, lengthOf } from '../../targets/ceph/leaves.js'

/** Ascending, within some leaves, of data and zeros. */
const runs = runsUpTo(leafBytes + 10)

function runsUpTo(longest: number) {
  return fc
    .array(
      fc.record({
        gap: fc.oneof(fc.nat(3), fc.nat(2 * leafBytes)),
        length: fc.oneof(fc.integer({ min: 1, max: 64 }), fc.integer({ min: 1, max: longest })),
        zero: fc.boolean(),
      }),
      { maxLength: 6 },
    )
    .map((given) => {
      let at = 0
      return given.map(({ gap, length, zero }): DataRun | ZeroRun => {
        const offset = at + gap
        at = offset + length
        return zero ? { offset, length, zero: true } : { offset, data: new Uint8Array(length).fill(1 + (offset % 250)) }
      })
    })
}

async function* each<T>(values: T[]): AsyncGenerator<T, void, undefined> {
  yield* values
}

describe('the stream for import-diff', () => {
  it('is parsed as what was meant', async () => {
    await fc.assert(
      // the parser cuts what is longer than a leaf
      fc.asyncProperty(runsUpTo(leafBytes), fc.boolean(), async (given, isLast) => {
        const size = given.reduce((end, run) => Math.max(end, run.offset + lengthOf(run)), 0)
        const bytes = [
          headRecords({ from: 'a.1', to: isLast ? 'b.2' : null, size }),
          ...given.flatMap((run) =>
            'zero' in run
              ? [extentRecord('z', run)]
              : [extentRecord('w', { offset: run.offset, length: run.data.length }), run.data],
          ),
          Buffer.from('e'),
        ]
        const seen: string[] = []
        for await (const record of parseRbdDiff(each(bytes))) {
          if (record.tag === 'data') seen.push(`data ${record.offset} ${record.data.length}`)
          else if (record.tag === 'zero') seen.push(`zero ${record.offset} ${record.length}`)
          else seen.push(record.tag === 'size' ? `size ${record.size}` : `${record.tag} ${record.name}`)
        }
        expect(seen).toEqual([
          'from a.1',
          ...(isLast ? ['to b.2'] : []),
          `size ${size}`,
          ...given.map((run) => `${'zero' in run ? 'zero' : 'data'} ${run.offset} ${lengthOf(run)}`),
        ])
      }),
      { numRuns: 40 },
    )
  })
})

describe('leaves', () => {
  it('have the hash of their bytes, what no run covers being zero', async () => {
    await fc.assert(
      fc.asyncProperty(runs, fc.nat(1000), async (given, more) => {
        const size = given.reduce((end, run) => Math.max(end, run.offset + lengthOf(run)), 0) + more
        const whole = Buffer.alloc(size)
        for (const run of given) if (!('zero' in run)) whole.set(run.data, run.offset)
        let last = -1
        for await (const leaf of leavesOf(each(given))) {
          expect(leaf.index).toBeGreaterThan(last)
          last = leaf.index
          const { offset, length } = extentOf(leaf.index, size)
          expect(hashOfLeaf(leaf, size)).toEqual(hashLeaf(whole.subarray(offset, offset + length)))
        }
      }),
      { numRuns: 40 },
    )
  })
})
