import { randomUUID } from 'node:crypto'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { MoveDeps } from '../../activities/move-activities.js'
import { releaseCapture } from '../../activities/release-capture.js'
import { takeCapture } from '../../activities/take-capture.js'
import type { Source } from '../../source/source.js'
import type { Capture } from '../../targets/target.js'
import type { CapturedBy } from '../../workflows/messages.js'
import { activityBench, type ActivityBench } from './bench.js'
import { fakeImages, type FakeImages } from './fake-images.js'

let bench: ActivityBench
let fake: FakeImages
let watchers: string[][]
beforeAll(async () => {
  bench = await activityBench()
})
beforeEach(() => {
  fake = fakeImages()
  watchers = [[]]
})
afterEach(() => {
  bench.sandbox.faults.clear()
  bench.sandbox.record.clear()
})
afterAll(async () => {
  await bench.end()
})

function depsOf(change: Partial<MoveDeps> = {}): MoveDeps {
  let look = 0
  const source = { watchers: async () => watchers[Math.min(look++, watchers.length - 1)] ?? [] } as unknown as Source
  const known = { reads: 'source' } as never
  return {
    ...bench.deps,
    sources: { zones: ['default'], find: () => source },
    imagesOf: () => fake.pool,
    targets: new Map([
      ['second', known],
      ['third', known],
    ]),
    ...change,
  }
}

async function newVolume() {
  const volumeId = await bench.newVolume()
  return { volumeId, image: fake.add(`volume-${volumeId}`) }
}

async function archiveOf(volumeId: string, deps = depsOf(), change: Parameters<ActivityBench['request']>[1] = {}) {
  const { host, nameId } = await bench.api.getVolume(volumeId)
  const place = { volumeId, host, nameId }
  const capturedBy: CapturedBy = { maker: 'rbd', queue: 'move@default', seconds: 1764090000, place }
  const archiveId = randomUUID()
  const request = bench.request(volumeId, {
    ...{ archiveId, targets: [{ target: 'second', force: false }], capturedBy },
    ...change,
  })
  return {
    archiveId,
    name: `backup.${archiveId}.snap.1764090000`,
    take: async (by = deps) => bench.run(takeCapture(by), request),
    release: async (bases: string[] = [], capture: Capture | null = null, by = deps) =>
      bench.run(releaseCapture(by), {
        archiveId,
        volumeId,
        snapshotId: null,
        capturedBy,
        bases,
        place: capture?.volume,
      }),
  }
}

const detachedOnly = { consistency: { prefer: ['detached' as const], require: 'detached' as const } }

describe('a capture by RBD snapshot', () => {
  it('makes nothing in Cinder', async () => {
    const { volumeId, image } = await newVolume()
    const archive = await archiveOf(volumeId)
    const capture = await archive.take()
    expect(capture).toMatchObject({
      ...{ maker: 'rbd', snapshotId: String(image.snapshots[0]?.id), snapshotName: archive.name },
      ...{ consistency: 'detached', watchers: 'none', sizeBytes: 2 ** 30, deferred: [] },
      point: `${capture.capturedAt}-${archive.archiveId.slice(0, 8)}`,
    })
    expect(bench.asked('POST', /snapshots/)).toBe(0)
    const record: unknown = JSON.parse(image.metadata.get(`ck.${archive.archiveId}`) ?? '')
    expect(record).toMatchObject({
      ...{ installation: bench.installation, archive: archive.archiveId, volume: volumeId },
      ...{ purpose: 'capture', bases: [], before: 'detached' },
    })
  })

  it('whatever step it dies at, is taken once, found again, and leaves nothing', async () => {
    for (const when of ['before', 'after'] as const) {
      for (let at = 1; ; at++) {
        const { volumeId, image } = await newVolume()
        const archive = await archiveOf(volumeId)
        fake.faultAt(at, when)
        const first: unknown = await archive.take().catch((error: unknown) => error)
        if (!(first instanceof Error)) break
        fake.faultAt(null)
        const capture = await archive.take()
        expect(image.snapshots.map(({ name }) => name)).toEqual([archive.name])
        expect(capture.snapshotId).toBe(String(image.snapshots[0]?.id))
        await archive.release([], capture)
        expect([image.snapshots, [...image.metadata]]).toEqual([[], []])
      }
    }
  })

  it('whatever step its release dies at, is the only base in the end, or gone', async () => {
    for (const bases of [[], ['second']]) {
      for (const when of ['before', 'after'] as const) {
        for (let at = 1; ; at++) {
          const { volumeId, image } = await newVolume()
          const older = await archiveOf(volumeId)
          await older.take()
          await older.release(['second'])
          const archive = await archiveOf(volumeId)
          const capture = await archive.take()
          fake.faultAt(at, when)
          const released: unknown = await archive.release(bases, capture).catch((error: unknown) => error)
          fake.faultAt(null)
          await archive.release(bases, capture)
          const base = bases.length > 0 ? archive : older
          expect(image.snapshots.map(({ name }) => name)).toEqual([base.name])
          expect([...image.metadata.keys()]).toEqual([`ck.${base.archiveId}`])
          if (!(released instanceof Error)) break
        }
      }
    }
  })

  it('is no better than a crash when it is attached, open elsewhere before it, or open after it', async () => {
    const attached = await newVolume()
    bench.attach(attached.volumeId)
    expect(await (await archiveOf(attached.volumeId)).take()).toMatchObject({ consistency: 'crash' })
    const open = await newVolume()
    watchers = [['client.7 a']]
    const capture = await (await archiveOf(open.volumeId)).take()
    expect(capture).toMatchObject({ consistency: 'crash', watchers: ['client.7 a'] })
    const late = await newVolume()
    watchers = [[], ['client.7 a']]
    expect(await (await archiveOf(late.volumeId)).take()).toMatchObject({ consistency: 'crash' })
  })

  it('waits for a command of our own that has the image open for a moment', async () => {
    const { volumeId } = await newVolume()
    watchers = [['client.7 a'], ['client.7 a'], []]
    expect(await (await archiveOf(volumeId)).take()).toMatchObject({ consistency: 'detached', watchers: 'none' })
  })

  it('below the floor is not made, or goes with the release', async () => {
    const { volumeId, image } = await newVolume()
    bench.attach(volumeId)
    const refused = await archiveOf(volumeId, depsOf(), detachedOnly)
    await expect(refused.take()).rejects.toMatchObject({ code: 'CK-CONSISTENCY-FLOOR' })
    expect(image.snapshots).toEqual([])
    bench.detach(volumeId)
    watchers = [[], ['client.7 a']]
    const late = await archiveOf(volumeId, depsOf(), detachedOnly)
    await expect(late.take()).rejects.toMatchObject({ code: 'CK-CONSISTENCY-FLOOR' })
    await late.release()
    expect([image.snapshots, [...image.metadata]]).toEqual([[], []])
  })

  it('in a later attempt does not call detached what was detached only after the snapshot', async () => {
    const { volumeId } = await newVolume()
    const archive = await archiveOf(volumeId)
    bench.attach(volumeId)
    fake.faultAt(3, 'after')
    await expect(archive.take()).rejects.toThrow()
    fake.faultAt(null)
    bench.detach(volumeId)
    expect(await archive.take()).toMatchObject({ consistency: 'crash' })
  })

  it('of a volume that is deleted meanwhile is given up, and nothing is left of it', async () => {
    const { volumeId, image } = await newVolume()
    const archive = await archiveOf(volumeId)
    const deps = depsOf({
      imagesOf: () => ({
        ...fake.pool,
        createSnapshot: async (name, snapshot) => {
          const made = await fake.pool.createSnapshot(name, snapshot)
          const volume = bench.sandbox.state.volumes.get(volumeId)
          if (volume !== undefined) volume.status = 'deleting'
          return made
        },
      }),
    })
    await expect(archive.take(deps)).rejects.toMatchObject({ code: 'CK-VOLUME-GONE' })
    // as Cinder does then
    image.trashedAt = 1764090000_000
    bench.sandbox.state.volumes.delete(volumeId)
    await archive.release(['second'])
    expect(fake.images).toEqual([])
  })

  it('with no source for where the volume lies is told so', async () => {
    const { volumeId } = await newVolume()
    const archive = await archiveOf(volumeId, depsOf({ imagesOf: () => undefined }))
    await expect(archive.take()).rejects.toMatchObject({ code: 'CK-SOURCE-NONE' })
    await expect(archive.release()).rejects.toMatchObject({ code: 'CK-SOURCE-NONE' })
  })

  it('is released where the volume was before it moved, and is no base there', async () => {
    const { volumeId, image } = await newVolume()
    const archive = await archiveOf(volumeId)
    const capture = await archive.take()
    const moved = randomUUID()
    const now = fake.add(`volume-${moved}`)
    const getVolume = async (id: string) => ({ ...(await bench.api.getVolume(id)), nameId: moved })
    await archive.release(['second'], capture, depsOf({ cinder: { ...bench.api, getVolume } }))
    expect([image.snapshots, now.snapshots, [...image.metadata], [...now.metadata]]).toEqual([[], [], [], []])
  })

  it('leaves what others made: another installation’s, a backup’s of Cinder, a clone’s metadata', async () => {
    const { volumeId, image } = await newVolume()
    const foreign = `backup.${randomUUID()}.snap.1700000000.25`
    const others = randomUUID()
    image.snapshots.push(
      { id: 900, name: foreign, size: 1 },
      { id: 901, name: `backup.${others}.snap.1700000000`, size: 1 },
    )
    image.metadata.set(`ck.${others}`, JSON.stringify({ installation: 'another', archive: others }))
    const archive = await archiveOf(volumeId)
    await archive.take()
    await archive.release()
    expect(image.snapshots.map(({ id }) => id)).toEqual([900, 901])
    expect([...image.metadata.keys()]).toEqual([`ck.${others}`])
  })
})
