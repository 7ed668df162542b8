/** Bytes that are spoiled on the target, where copies share them: found, not built upon, and written anew. */
import { randomBytes } from 'node:crypto'
import { rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { leafBytes } from '../../source/hash-fold.js'
import type { Copy } from '../../targets/target.js'
import { fullVolumes } from '../helpers/full-volumes.js'
import { labEnvironment, rbdJson } from '../helpers/lab.js'
import { cephBench, type CephBench } from '../targets/ceph-bench.js'
import { contextFor } from '../targets/contract.js'

const lab = labEnvironment()
const mib = 2 ** 20
/** Of 16 leaves, 4 to 7 are in their turn in round 1, 12 to 15 in round 3. */
const options = { compare: 4 }
const cold = 13

let bench: CephBench
beforeAll(async () => {
  bench = await cephBench(lab)
})
afterAll(async () => {
  await bench.end()
})

const { write, fullVolume, copiesOf, verify, mustBeSame } = fullVolumes(lab, () => bench)

/** The volume changes, and is archived; what is called verified must be what was captured. */
async function archived(id: string): Promise<Copy> {
  const { copy, capture } = await archivedBlindly(id)
  if (copy.state === 'verified') await mustBeSame(copy, capture)
  return copy
}

/** Without looking whether it is what was captured. */
async function archivedBlindly(id: string) {
  await write(id, 0, mib)
  const capture = await bench.captureOf(id)
  return { capture, copy: await bench.verified(capture, { options }) }
}

/** What lies there is other bytes from now on, in every copy that shares them, and no difference tells of it. */
async function spoil(id: string, leaf: number): Promise<void> {
  const image = (await bench.imageOf(id)) ?? ''
  const { block_name_prefix: prefix } = (await rbdJson(lab, 'backup', ['info', image])) as { block_name_prefix: string }
  const path = join(tmpdir(), `${id}.leaf`)
  await writeFile(path, randomBytes(leafBytes))
  await bench.rados('put', `${prefix}.${leaf.toString(16).padStart(16, '0')}`, path)
  await rm(path)
}

async function marked(copy: Copy, state: 'verified' | 'damaged'): Promise<Copy> {
  const verifiedAt = state === 'verified' ? new Date().toISOString() : null
  const mark = { state, rootHash: copy.rootHash, reason: null, verifiedAt }
  return bench.open().markCopy(copy, mark, contextFor().context)
}

describe('a block that is spoiled on the target and never changes on the source', () => {
  it('is found in its turn, and written anew: nothing that was read back before proves it', async () => {
    const id = await fullVolume()
    await archived(id)
    await archived(id)
    await spoil(id, cold)
    // until its turn comes nobody reads it
    let { copy } = await archivedBlindly(id)
    for (let more = 0; more < 4 && copy.state === 'verified'; more += 1) ({ copy } = await archivedBlindly(id))
    expect(copy).toMatchObject({
      state: 'damaged',
      reason: expect.stringContaining(String(cold * leafBytes)) as string,
    })

    const next = [await archived(id), await archived(id), await archived(id)]
    expect(next.map(({ state }) => state)).toEqual(['verified', 'verified', 'verified'])
    // of these, each is built upon the one before
    expect(next.map(({ basePoint }) => basePoint)).toEqual([null, next[0]?.point, next[1]?.point])
    for (const one of next) expect(await verify(one)).toMatchObject({ state: 'verified' })
  })

  it.each(['marked', 'nobody lives to mark', 'marked and removed'])(
    'is in no later copy that is verified once an older one is read back (%s)',
    async (what) => {
      const id = await fullVolume()
      const old = await archived(id)
      await archived(id)
      await spoil(id, cold)
      expect(await verify(old)).toMatchObject({ state: 'damaged' })
      if (what !== 'nobody lives to mark') await marked(old, 'damaged')
      if (what === 'marked and removed') await bench.open().removeCopy(old, contextFor().context)
      const whole = await archived(id)
      expect(whole).toMatchObject({ state: 'verified', basePoint: null })
      expect(await archived(id)).toMatchObject({ state: 'verified', basePoint: whole.point })
    },
  )
})

describe('a block that is spoiled on the target', () => {
  it('is found in its turn also where the source is read whole each time', async () => {
    const id = await fullVolume()
    const { capture } = await archivedBlindly(id)
    await bench.release(capture)
    await spoil(id, cold)
    const states: string[] = []
    for (let more = 0; more < 4; more += 1) {
      const { capture: next, copy } = await archivedBlindly(id)
      expect(copy.basePoint).toBeNull()
      states.push(copy.state)
      await bench.release(next)
      if (copy.state !== 'verified') break
    }
    expect(states).toEqual(['verified', 'verified', 'damaged'])
    const { capture: last, copy } = await archivedBlindly(id)
    expect(copy).toMatchObject({ state: 'verified', basePoint: null })
    await mustBeSame(copy, last)
  })

  it('and that changes on the source makes no copy suspect: nothing was left out there', async () => {
    const id = await fullVolume()
    const good = [await archived(id), await archived(id)]
    await spoil(id, 0)
    // only a quarter of it is written
    expect((await archivedBlindly(id)).copy).toMatchObject({ state: 'damaged' })
    const next = [await archived(id), await archived(id)]
    expect(next.map(({ basePoint }) => basePoint)).toEqual([null, next[0]?.point])
    const states = (await copiesOf(id)).map(({ state }) => state)
    expect(states).toEqual([...good.map(() => 'verified'), 'damaged', 'verified', 'verified'])
  })
})

describe('a copy beside one that was found damaged', () => {
  it('is built upon again once it was read back again, and not before', async () => {
    const id = await fullVolume()
    const old = await archived(id)
    await marked(old, 'damaged')
    const whole = await archived(id)
    expect(whole).toMatchObject({ state: 'verified', basePoint: null })
    await marked(old, 'damaged')
    await marked(old, 'verified')
    expect(await verify(whole)).toMatchObject({ state: 'verified', readBytes: 16 * leafBytes })
    expect(await archived(id)).toMatchObject({ state: 'verified', basePoint: whole.point })
  })

  it('is built upon although that one is read back again, and is as it was', async () => {
    const id = await fullVolume()
    const old = await archived(id)
    await spoil(id, cold)
    expect(await verify(old)).toMatchObject({ state: 'damaged' })
    const whole = await archived(id)
    expect(whole).toMatchObject({ state: 'verified', basePoint: null })
    expect(await verify(old)).toMatchObject({ state: 'damaged' })
    expect(await archived(id)).toMatchObject({ state: 'verified', basePoint: whole.point })
  })
})
