/** A source that leaves out what changed (design section 7, inherited): found, told, and read whole again. */
import { readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync, gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { leafHashBytes } from '../../source/hash-fold.js'
import { keyOf, treeObject } from '../../targets/ceph/names.js'
import { before, losing, missing, missingInMap, ofLeaf } from '../helpers/faulty-hands.js'
import { fullVolumes } from '../helpers/full-volumes.js'
import { labEnvironment, volumeImage } from '../helpers/lab.js'
import { cephBench, type CephBench } from '../targets/ceph-bench.js'
import { contextFor } from '../targets/contract.js'

const lab = labEnvironment()
const mib = 2 ** 20
const size = 64 * mib

let bench: CephBench
beforeAll(async () => {
  bench = await cephBench(lab)
})
afterAll(async () => {
  await bench.end()
})

const { write, fullVolume, copiesOf, verify, mustBeSame } = fullVolumes(lab, () => bench)

describe('inherited: the source leaves out a block that changed', () => {
  it.each([
    ['held data', size],
    ['was a hole', 8 * mib],
  ])('is found in its turn, if it %s: copies since its last one become suspect, and all is read', async (_, held) => {
    const id = await bench.newVolume(64)
    await write(id, 0, held)
    const options = { compare: 4 }
    const good = await bench.verified(await bench.captureOf(id), { options })
    await write(id, 20 * mib, mib)
    const wrong = await bench.captureOf(id)
    // of 16 leaves, 4 to 7 are in their turn in round 1; leaf 9 is found in round 2
    await write(id, 0, 4096)
    await bench.release(wrong)
    await write(id, 36 * mib, mib)
    const inherited = await bench.captureOf(id)
    const second = await bench.verified(inherited, { options, wrap: missing(ofLeaf(9)) })
    expect(second.basePoint).toBe(good.point)
    await write(id, 4 * mib, 4096)
    const third = await bench.captureOf(id)
    // and is found again when whoever found it died before it was written down
    const dying = bench.open({ options, wrap: losing('ck.missed') }).writeCopy(third, null, contextFor().context)
    await expect(dying).rejects.toThrow('ck.missed is lost')
    const whole = await bench.verified(third, { options })
    expect(whole).toMatchObject({ state: 'verified', basePoint: null })
    await mustBeSame(whole, third)
    const states = new Map((await copiesOf(id)).map(({ point, state }) => [point, state]))
    expect([states.get(good.point), states.get(second.point), states.get(whole.point)]).toEqual([
      'verified',
      'suspect',
      'verified',
    ])
    // whoever counts copies is told with each copy, and reading it back makes it no better
    const { suspects } = await bench.open({ options }).writeCopy(third, null, contextFor().context)
    expect(suspects?.map(({ point }) => point)).toEqual([second.point])
    const { state, rootHash, reason } = await bench.open({ options }).verifyCopy(second, null, contextFor().context)
    expect(state).toBe('verified')
    const mark = { state, rootHash, reason, verifiedAt: new Date().toISOString() }
    const marked = await bench.open({ options }).markCopy(second, mark, contextFor().context)
    expect(marked.state).toBe('suspect')
  })

  it('is found at once where the block is in its turn', async () => {
    const id = await fullVolume()
    const options = { compare: 1 }
    await bench.verified(await bench.captureOf(id), { options })
    await write(id, 24 * mib, mib)
    await write(id, 40 * mib, mib)
    const capture = await bench.captureOf(id)
    const copy = await bench.verified(capture, { options, wrap: missing(ofLeaf(6)) })
    expect(copy).toMatchObject({ state: 'verified', basePoint: null })
    await mustBeSame(copy, capture)
  })

  it('is found when the rest of the block is known to have changed: it reads back as something else', async () => {
    const id = await fullVolume()
    await bench.verified(await bench.captureOf(id))
    await write(id, 24 * mib, 64 * 1024)
    await write(id, 25 * mib, 64 * 1024)
    const capture = await bench.captureOf(id)
    const wrap = missing((offset) => offset >= 25 * mib && offset < 26 * mib)
    expect((await bench.verified(capture, { wrap })).state).toBe('damaged')
    // nor is the next one built upon what that one was built upon
    const next = await bench.captureOf(id)
    const whole = await bench.verified(next)
    expect(whole).toMatchObject({ state: 'verified', basePoint: null })
    await mustBeSame(whole, next)
    expect(await bench.verified(await bench.captureOf(id))).toMatchObject({ state: 'verified', basePoint: whole.point })
  })

  it('makes suspect what a later change of the same block was built upon', async () => {
    const id = await fullVolume()
    const good = await bench.verified(await bench.captureOf(id))
    await write(id, 24 * mib, 64 * 1024)
    const wrong = await bench.verified(await bench.captureOf(id), { wrap: missing(ofLeaf(6)) })
    expect(wrong).toMatchObject({ state: 'verified', basePoint: good.point })
    await write(id, 26 * mib, 64 * 1024)
    expect((await bench.verified(await bench.captureOf(id))).state).toBe('damaged')
    const next = await bench.captureOf(id)
    const whole = await bench.verified(next)
    expect(whole).toMatchObject({ state: 'verified', basePoint: null })
    await mustBeSame(whole, next)
    const states = (await copiesOf(id)).map(({ state }) => state)
    expect(states).toEqual(['verified', 'suspect', 'damaged', 'verified'])
  })

  it('makes no copy suspect that was removed or found damaged meanwhile', async () => {
    const id = await fullVolume()
    const options = { compare: 4 }
    await bench.verified(await bench.captureOf(id), { options })
    await write(id, 10 * mib, mib)
    // leaf 2 is in its turn in round 4
    const copies = [await bench.verified(await bench.captureOf(id), { options, wrap: missing(ofLeaf(2)) })]
    for (let more = 0; more < 2; more += 1) copies.push(await bench.verified(await bench.captureOf(id), { options }))
    const [removed, damaged] = copies
    if (removed === undefined || damaged === undefined) throw new Error('no copies')
    const wrap = before('moveLeaf', 0, async () => {
      await bench.open().removeCopy(removed, contextFor().context)
      const mark = { state: 'damaged' as const, rootHash: null, reason: 'a trial', verifiedAt: null }
      await bench.open().markCopy(damaged, mark, contextFor().context)
    })
    const capture = await bench.captureOf(id)
    await mustBeSame(await bench.verified(capture, { options, wrap }), capture)
    expect((await copiesOf(id)).map(({ state }) => state)).toEqual(['verified', 'damaged', 'suspect', 'verified'])
    const image = (await bench.imageOf(id)) ?? ''
    expect(await bench.rbd('backup', 'image-meta', 'list', image)).not.toContain(`ck.${keyOf(removed)}.`)
    // one that reads back after all still lacks what was missed
    const found = await verify(damaged)
    expect(found).toMatchObject({ state: 'verified' })
    const mark = { ...found, state: 'verified' as const, verifiedAt: new Date().toISOString() }
    expect(await bench.open().markCopy(damaged, mark, contextFor().context)).toMatchObject({ state: 'suspect' })
    expect((await copiesOf(id)).map(({ state }) => state)).toEqual(['verified', 'suspect', 'suspect', 'verified'])
    // nor does what is left of any of them keep the image
    for (const one of await copiesOf(id)) await bench.open().removeCopy(one, contextFor().context)
    expect(await bench.imageOf(id)).toBeUndefined()
  })

  it('is suspected of all that was read by changes when the record of it cannot be read, and of nothing later', async () => {
    const id = await fullVolume()
    for (let more = 0; more < 2; more += 1) await bench.verified(await bench.captureOf(id))
    await bench.rbd('backup', 'image-meta', 'set', (await bench.imageOf(id)) ?? '', 'ck.missed', 'x')
    const whole = await bench.verified(await bench.captureOf(id))
    expect(whole).toMatchObject({ state: 'verified', basePoint: null })
    expect(await bench.verified(await bench.captureOf(id))).toMatchObject({ state: 'verified', basePoint: whole.point })
    const states = (await copiesOf(id)).map(({ state }) => state)
    expect(states).toEqual(['verified', 'suspect', 'verified', 'verified'])
  })

  it('is found beyond the end of the base, where the volume has grown', async () => {
    const id = await fullVolume()
    const options = { compare: 1 }
    await bench.verified(await bench.captureOf(id), { options })
    await bench.rbd('prod', 'resize', '--no-progress', '--size', '80M', volumeImage(id))
    await write(id, 72 * mib, mib)
    const capture = await bench.captureOf(id)
    const copy = await bench.verified(capture, { options, wrap: missing(ofLeaf(18)) })
    expect(copy).toMatchObject({ state: 'verified', basePoint: null })
    await mustBeSame(copy, capture)
  })

  it('is found where the object map of a first copy did not know of it, and that copy becomes suspect', async () => {
    const id = await fullVolume()
    const options = { compare: 4 }
    const given = { options, wholeObject: true, wrap: missingInMap(ofLeaf(6)) }
    const wrong = await bench.verified(await bench.captureOf(id), given)
    expect(wrong).toMatchObject({ state: 'verified', wholeObject: true })
    // of 16 leaves, 4 to 7 are in their turn in round 1
    const capture = await bench.captureOf(id)
    const copy = await bench.verified(capture, given)
    expect(copy).toMatchObject({ state: 'verified', basePoint: null })
    expect(copy).not.toHaveProperty('wholeObject')
    await mustBeSame(copy, capture)
    expect((await copiesOf(id)).map(({ state }) => state)).toEqual(['suspect', 'verified'])
  })
})

describe('what a copy is proven with', () => {
  const given = { pace: { pieceLeaves: 4 } }

  it.each(['no tree', 'another tree', 'a tree cut elsewhere'])(
    'is %s for the base: the next copy is read whole, and proven',
    async (what) => {
      const id = await fullVolume()
      await bench.verified(await bench.captureOf(id), given)
      await spoilTree(id, what)
      await write(id, 24 * mib, mib)
      let basePoint: string | null = null
      for (let again = 0; again < 2; again += 1) {
        const capture = await bench.captureOf(id)
        const copy = await bench.verified(capture, given)
        expect(copy).toMatchObject({ state: 'verified', basePoint, rootHash: await bench.hashOfCapture(capture) })
        await mustBeSame(copy, capture)
        basePoint = copy.point
      }
    },
  )

  it('is everything, once it was called damaged', async () => {
    const id = await fullVolume()
    await bench.verified(await bench.captureOf(id))
    await write(id, 0, mib)
    const copy = await bench.verified(await bench.captureOf(id))
    const mark = { state: 'damaged' as const, rootHash: copy.rootHash, reason: 'a trial', verifiedAt: null }
    const damaged = await bench.open().markCopy(copy, mark, contextFor().context)
    expect(await verify(damaged)).toMatchObject({ state: 'verified', readBytes: size })
  })

  /** Of its four pieces, the second and the third are changed. */
  async function spoilTree(volumeId: string, what: string): Promise<void> {
    const [copy] = await copiesOf(volumeId)
    if (copy === undefined) throw new Error('no copy')
    const path = join(tmpdir(), `${volumeId}.tree`)
    const names = [1, 2].map((index) => treeObject(keyOf(copy), index))
    const pieces: Buffer[] = []
    for (const name of names) {
      await bench.rados('get', name, path)
      pieces.push(gunzipSync(await readFile(path)))
    }
    const all = Buffer.concat(pieces)
    if (what === 'another tree') all.fill(7, leafHashBytes, 2 * leafHashBytes)
    const border = what === 'a tree cut elsewhere' ? 5 * leafHashBytes : 4 * leafHashBytes
    const next = [all.subarray(0, border), all.subarray(border)]
    for (const [index, name] of names.entries()) {
      await writeFile(path, what === 'no tree' ? what : gzipSync(next[index] ?? ''))
      await bench.rados('put', name, path)
    }
    await rm(path)
  }
})
