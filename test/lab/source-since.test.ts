/** What changed between RBD snapshots, as the user with the least rights; compared with `rbd export`. */
import { randomUUID } from 'node:crypto'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { sourcesOptions, type RbdSourceOptions } from '../../source/options.js'
import { rbdSource } from '../../source/rbd.js'
import { createRbdSnapshot, removeRbdSnapshot } from '../../source/rbd-snapshots.js'
import type { BytesRef, DataRun, OpenBytes, RbdSnapshotRef, ZeroRun } from '../../source/source.js'
import { labEnvironment } from '../helpers/lab.js'
import { type Change, rbdWorkshop, type RbdWorkshop } from '../helpers/rbd-workshop.js'

const mib = 1024 * 1024
const { cephUser } = labEnvironment()
const seed = Date.now()
let shop: RbdWorkshop
let access: RbdSourceOptions

beforeAll(async () => {
  shop = await rbdWorkshop('since')
  const entry = { match: '*', kind: 'rbd', conf: shop.conf, user: cephUser, pool: 'volumes', parents: ['images'] }
  access = sourcesOptions.parse([entry])[0] as RbdSourceOptions
})

afterAll(async () => {
  await shop.clean()
})

async function snapshot(image: string): Promise<RbdSnapshotRef> {
  const { name, id } = await createRbdSnapshot(access, image, `backup.${randomUUID()}.snap.1`)
  return { name, id }
}

function refOf(image: string, rbdSnapshot?: RbdSnapshotRef): BytesRef {
  return { volumeId: image.slice('volume-'.length), host: null, nameId: null, snapshotId: null, rbdSnapshot }
}

async function open(image: string, rbdSnapshot?: RbdSnapshotRef): Promise<OpenBytes> {
  return rbdSource(access).open(refOf(image, rbdSnapshot))
}

function since(bytes: OpenBytes, base: RbdSnapshotRef, wholeObject = false): AsyncIterable<DataRun | ZeroRun> {
  if (bytes.readSince === undefined) throw new Error('this source knows no differences')
  return bytes.readSince(base, undefined, { wholeObject })
}

/** The base's content, cut or enlarged to the new size, with the runs on it. Refuses runs out of order. */
async function applied(base: Buffer, sizeBytes: number, runs: AsyncIterable<DataRun | ZeroRun>): Promise<Buffer> {
  const content = Buffer.alloc(sizeBytes)
  base.copy(content)
  let reached = 0
  for await (const run of runs) {
    const end = run.offset + ('zero' in run ? run.length : run.data.length)
    if (run.offset < reached || end > sizeBytes) throw new Error(`a run from ${run.offset} to ${end}`)
    if ('zero' in run) content.fill(0, run.offset, end)
    else content.set(run.data, run.offset)
    reached = end
  }
  return content
}

async function read(runs: AsyncIterable<DataRun | ZeroRun>): Promise<(DataRun | ZeroRun)[]> {
  const all: (DataRun | ZeroRun)[] = []
  for await (const run of runs) all.push(run)
  return all
}

function changesIn(size: number): fc.Arbitrary<Change> {
  const place = fc.tuple(
    fc.nat(size - 1),
    fc.oneof(fc.integer({ min: 1, max: 9000 }), fc.integer({ min: 1, max: 3 * mib })),
  )
  return fc
    .tuple(fc.constantFrom('write', 'write', 'discard', 'zeroes'), place)
    .map(([what, [offset, length]]): Change => [what as 'write', offset, Math.min(length, size - offset)])
}

describe('what changed since an RBD snapshot', () => {
  const images: [string, () => Promise<string>][] = [
    ['of objects of 4 MiB', async () => shop.create('24M')],
    ['of objects of 1 MiB', async () => shop.create('24M', '--object-size', '1M')],
    ['of objects of 16 MiB', async () => shop.create('24M', '--object-size', '16M')],
    ['that is striped', async () => shop.create('24M', '--stripe-unit', '65536', '--stripe-count', '3')],
    [
      'that is a clone',
      async () => {
        const parent = `images/${shop.mark}-parent`
        await shop.rbd('create', '--size', '20M', parent)
        await shop.change(parent, [['write', 100_000, 15 * mib]])
        await shop.rbd('snap', 'create', '--no-progress', `${parent}@base`)
        await shop.rbd('snap', 'protect', `${parent}@base`)
        const image = `volume-${shop.mark}-clone`
        await shop.rbd('clone', `${parent}@base`, `volumes/${image}`)
        return image
      },
    ],
  ]

  it.each(images)('makes the new content of the base, for an image %s, plain and by whole objects', async (_, make) => {
    const image = await make()
    const rounds = fc.sample(
      fc.tuple(
        fc.integer({ min: 9, max: 30 }),
        fc.nat(3),
        fc.array(changesIn(9 * mib), { minLength: 1, maxLength: 8 }),
      ),
      { numRuns: 6, seed },
    )
    let base = await snapshot(image)
    const first = base
    let content = await shop.exported(`volumes/${image}@${base.name}`)
    const firstContent = content
    for (const [sizeMib, kind, changes] of rounds) {
      // a size that is no multiple of anything, a rollback, or writes alone
      const before: Change[] =
        kind === 0 ? [['resize', sizeMib * mib + 513]] : kind === 1 ? [['rollback', base.name]] : []
      await shop.change(image, [...before, ...changes])
      const now = await snapshot(image)
      const expected = await shop.exported(`volumes/${image}@${now.name}`)
      for (const wholeObject of [false, true]) {
        const bytes = await open(image, now)
        expect(bytes).toMatchObject({ sizeBytes: expected.length, identity: String(now.id) })
        const made = await applied(content, expected.length, since(bytes, base, wholeObject))
        expect(made.equals(expected), `seed ${seed}`).toBe(true)
        await bytes.confirm()
      }
      const bytes = await open(image, now)
      for (const wholeObject of [false, true]) {
        const whole = await applied(Buffer.alloc(0), expected.length, bytes.read(undefined, { wholeObject }))
        expect(whole.equals(expected), `whole, seed ${seed}`).toBe(true)
      }
      if (sizeMib % 2 === 0) await removeRbdSnapshot(access, image, base.name === first.name ? { name: '-' } : base)
      base = now
      content = expected
    }
    const bytes = await open(image, base)
    const made = await applied(firstContent, content.length, since(bytes, first))
    expect(made.equals(content), `from the first, seed ${seed}`).toBe(true)
  })

  it('is nothing where nothing changed', async () => {
    const image = await shop.create('16M')
    await shop.change(image, [['write', 0, 5 * mib]])
    const one = await snapshot(image)
    const two = await snapshot(image)
    expect(await read(since(await open(image, two), one))).toEqual([])
  })

  it('is refused when the base never was, or is another of its name', async () => {
    const image = await shop.create('16M')
    const base = await snapshot(image)
    const bytes = await open(image, await snapshot(image))
    for (const wrong of [
      { ...base, id: base.id + 1000 },
      { ...base, name: 'backup.none.snap.1' },
    ]) {
      await expect(read(since(bytes, wrong))).rejects.toMatchObject({ code: 'CK-SOURCE-BASE-LOST' })
    }
  })

  it.each(['removed', 'replaced'])('is not confirmed when the base is %s while it is read', async (how) => {
    const image = await shop.create('64M')
    const base = await snapshot(image)
    await shop.change(
      image,
      Array.from({ length: 16 }, (_, at): Change => ['write', at * 4 * mib, 4 * mib]),
    )
    const bytes = await open(image, await snapshot(image))
    let readBytes = 0
    for await (const run of since(bytes, base)) {
      if (readBytes === 0) {
        await removeRbdSnapshot(access, image, base)
        if (how === 'replaced') await createRbdSnapshot(access, image, base.name)
      }
      readBytes += 'zero' in run ? 0 : run.data.length
    }
    expect(readBytes).toBe(64 * mib)
    await expect(bytes.confirm()).rejects.toMatchObject({ code: 'CK-SOURCE-BASE-LOST' })
  })

  it('opens no RBD snapshot of the right name and another id', async () => {
    const image = await shop.create('8M')
    const one = await snapshot(image)
    await removeRbdSnapshot(access, image, one)
    const two = await createRbdSnapshot(access, image, one.name)
    expect(two.id).not.toBe(one.id)
    await expect(open(image, one)).rejects.toMatchObject({ code: 'CK-CAPTURE-LOST' })
    expect((await open(image, { name: one.name, id: two.id })).sizeBytes).toBe(8 * mib)
  })
})
