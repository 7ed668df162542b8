/** A copy that reads everything and was broken off goes on where it was; unless what leads there is not there any more. */
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { leafBytes } from '../../source/hash-fold.js'
import { keyOf, treeObject } from '../../targets/ceph/names.js'
import type { Capture } from '../../targets/target.js'
import { before } from '../helpers/faulty-hands.js'
import { fullVolumes } from '../helpers/full-volumes.js'
import { labEnvironment } from '../helpers/lab.js'
import { cephBench, type CephBench } from '../targets/ceph-bench.js'
import { contextFor } from '../targets/contract.js'

const lab = labEnvironment()
/** How far it came is written down after each leaf. */
const pace = { pieceLeaves: 4, segmentMs: 0 }

let bench: CephBench
beforeAll(async () => {
  bench = await cephBench(lab)
})
afterAll(async () => {
  await bench.end()
})

const { fullVolume, mustBeSame } = fullVolumes(lab, () => bench)

/** An attempt that dies before it moves this leaf. */
async function cutOffAt(capture: Capture, leaf: number): Promise<void> {
  const wrap = before('moveLeaf', leaf * leafBytes, async () => Promise.reject(new Error('cut off')))
  await expect(bench.open({ pace, wrap }).writeCopy(capture, null, contextFor().context)).rejects.toThrow('cut off')
}

describe('a part of a copy', () => {
  it('is not written again', async () => {
    const capture = await bench.captureOf(await fullVolume())
    await cutOffAt(capture, 6)
    const moved: number[] = []
    const target = bench.open({
      pace,
      wrap: (hands) => ({
        do: async (name, given, timeoutMs) => {
          if (name === 'moveLeaf') moved.push((given as { offset: number }).offset / leafBytes)
          return hands.do(name, given, timeoutMs)
        },
      }),
    })
    await target.writeCopy(capture, null, contextFor().context)
    expect(moved).toEqual([6, 7, 8, 9, 10, 11, 12, 13, 14, 15])
    await mustBeSame(await bench.verified(capture, { pace }), capture)
  })

  it.each([6, 8])('begins anew when an earlier piece of its tree is lost (broken off at leaf %s)', async (leaf) => {
    const capture = await bench.captureOf(await fullVolume())
    await cutOffAt(capture, leaf)
    await bench.rados('rm', treeObject(keyOf(capture), 0))
    const copy = await bench.verified(capture, { pace })
    expect(copy.state).toBe('verified')
    await mustBeSame(copy, capture)
  })

  it('is not gone on with once another attempt has undone it', async () => {
    const capture = await bench.captureOf(await fullVolume())
    await cutOffAt(capture, 6)
    const piece = treeObject(keyOf(capture), 1)
    const path = join(tmpdir(), piece)
    await bench.rados('get', piece, path)
    await bench.rados('rm', piece)
    // it has emptied the image by then
    await cutOffAt(capture, 0)
    await bench.rados('put', piece, path)
    await rm(path)
    const copy = await bench.verified(capture, { pace })
    expect(copy.state).toBe('verified')
    await mustBeSame(copy, capture)
  })
})
