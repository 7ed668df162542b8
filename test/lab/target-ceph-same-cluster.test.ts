/** Copies beside the volumes, in the very same cluster: refused, unless somebody wants just that. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Capture } from '../../targets/target.js'
import { cephHands, type CephHands } from '../helpers/ceph-hands.js'
import { copiesPool, type CopiesPool } from '../helpers/copies-pool.js'
import { labEnvironment } from '../helpers/lab.js'
import { quickVolume, type QuickVolume } from '../helpers/quick-volume.js'
import { cephBench, type CephBench } from '../targets/ceph-bench.js'
import { contextFor } from '../targets/contract.js'

const lab = labEnvironment()
const mib = 2 ** 20

let bench: CephBench
let prod: CephHands
let pool: CopiesPool
let volume: QuickVolume
let capture: Capture
beforeAll(async () => {
  bench = await cephBench(lab)
  prod = cephHands(lab, 'prod')
  pool = await copiesPool(lab, 'prod')
  volume = await quickVolume(bench, 32, { prod, copies: prod, pool: pool.name })
  await volume.act({ act: 'write', offset: 5 * mib, length: 9 * mib, seed: 1 })
  capture = await volume.capture()
})
afterAll(async () => {
  await volume.end()
  await bench.end()
  await pool.end()
  await prod.end()
})

it('is refused before anything is made there', async () => {
  const writing = bench.open({ options: pool.options }).writeCopy(capture, null, contextFor().context)
  await expect(writing).rejects.toMatchObject({ code: 'CK-SAME-CLUSTER' })
  expect(await prod.images(pool.name)).toEqual([])
  // not even what every pool with images has
  expect(await prod.objects(pool.name, '')).toEqual([])
})

it('is refused again by a process that has written to another cluster', async () => {
  await bench.verified(capture)
  const writing = bench.open({ options: pool.options }).writeCopy(capture, null, contextFor().context)
  await expect(writing).rejects.toMatchObject({ code: 'CK-SAME-CLUSTER' })
  expect(await prod.objects(pool.name, '')).toEqual([])
})

it('is done by who sets sameCluster: true, and the volume is what it was', async () => {
  const before = await prod.content(volume.image)
  const copy = await bench.verified(capture, { options: { ...pool.options, sameCluster: true } })
  await volume.mustBeRight(copy, capture)
  await volume.mustHoldOnly([copy])
  expect(await prod.content(volume.image)).toBe(before)
  expect((await prod.look(volume.image))?.snapshots.map(({ name }) => name)).toEqual([capture.snapshotName])
})
