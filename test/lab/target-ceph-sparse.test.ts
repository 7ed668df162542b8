/**
 * A large volume that holds next to nothing: `CK_SPARSE_TIB=16` for the largest that Cinder makes (with plain diffs this
 * takes three minutes for each TiB).
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Capture, Copy } from '../../targets/target.js'
import { cephHands, type CephHands } from '../helpers/ceph-hands.js'
import { labEnvironment } from '../helpers/lab.js'
import { quickVolume, type QuickVolume } from '../helpers/quick-volume.js'
import { cephBench, type CephBench } from '../targets/ceph-bench.js'

const lab = labEnvironment()
const mib = 2 ** 20
const tib = 2 ** 40
const size = Number(process.env['CK_SPARSE_TIB'] ?? 0.25) * tib
/** Also across the border of two leaves, and at the very end. */
const pieces = [0, size / 4 - 32_768, (size * 3) / 4 + 4096, size - mib].map((offset) => ({ offset, length: mib }))
const hour = 3_600_000

let bench: CephBench
let prod: CephHands
let backup: CephHands
let volume: QuickVolume
beforeAll(async () => {
  bench = await cephBench(lab)
  prod = cephHands(lab, 'prod')
  backup = cephHands(lab, 'backup')
  volume = await quickVolume(bench, size / mib, { prod, copies: backup })
  await volume.act(...pieces.map(({ offset, length }, seed) => ({ act: 'write', offset, length, seed }) as const))
}, hour)
afterAll(async () => {
  await volume.end()
  await bench.end()
  await Promise.all([prod.end(), backup.end()])
}, hour)

describe(`a volume of ${size / tib} TiB that holds ${pieces.length} MiB`, () => {
  /** The newest, and the first. */
  let last: Copy
  let first: { capture: Capture; copy: Copy }

  it('is copied with what it holds, and nothing else is written', { timeout: hour }, async () => {
    const capture = await volume.capture()
    const copy = await bench.verified(capture)
    expect(copy).toMatchObject({ basePoint: null, sizeBytes: size })
    expect(copy.writtenBytes).toBeLessThanOrEqual(pieces.length * 2 * 4 * mib)
    await volume.mustBeRight(copy, capture, 'objects')
    first = { capture, copy }
    last = copy
  })

  it('is copied again, and nothing is written, since nothing changed', { timeout: hour }, async () => {
    const capture = await volume.capture()
    const copy = await bench.verified(capture)
    expect(copy).toMatchObject({ basePoint: first.copy.point, writtenBytes: 0 })
    await volume.mustBeRight(copy, capture, 'objects')
  })

  it('is copied again with what changed', { timeout: hour }, async () => {
    await volume.act(
      { act: 'write', offset: size / 2, length: 65_536, seed: 99 },
      { act: 'discard', offset: size - mib, length: mib },
    )
    const capture = await volume.capture()
    const copy = await bench.verified(capture)
    expect(copy.writtenBytes).toBeLessThanOrEqual(2 * 4 * mib)
    await volume.mustBeRight(copy, capture, 'objects')
    await volume.mustBeRight(first.copy, first.capture, 'objects')
    last = copy
  })

  it('is copied with what changed, by its object map', { timeout: hour }, async () => {
    await volume.act({ act: 'write', offset: size / 2 + 8 * mib, length: mib, seed: 100 })
    const capture = await volume.capture()
    const copy = await bench.verified(capture, { wholeObject: true })
    expect(copy).toMatchObject({ basePoint: last.point })
    expect(copy.writtenBytes).toBeGreaterThan(0)
    // each object that changed, as a whole
    expect(copy.writtenBytes).toBeLessThanOrEqual(4 * mib)
    await volume.mustBeRight(copy, capture, 'objects')
  })

  it('is copied whole by its object map, where there is no base', { timeout: hour }, async () => {
    const other = await quickVolume(bench, size / mib, { prod, copies: backup })
    try {
      await other.act(...pieces.map(({ offset, length }, seed) => ({ act: 'write', offset, length, seed }) as const))
      const capture = await other.capture()
      const copy = await bench.verified(capture, { wholeObject: true })
      expect(copy).toMatchObject({ basePoint: null, sizeBytes: size })
      expect(copy.writtenBytes).toBeLessThanOrEqual(pieces.length * 2 * 4 * mib)
      await other.mustBeRight(copy, capture, 'objects')
    } finally {
      await other.end()
    }
  })
})
