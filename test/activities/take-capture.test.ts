import { randomUUID } from 'node:crypto'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { Deps } from '../../activities/control-activities.js'
import { releaseCapture } from '../../activities/release-capture.js'
import { takeCapture } from '../../activities/take-capture.js'
import type { Source } from '../../source/source.js'
import { activityBench, type ActivityBench } from './bench.js'

let bench: ActivityBench
beforeAll(async () => {
  bench = await activityBench()
})
afterEach(() => {
  bench.sandbox.faults.clear()
  bench.sandbox.record.clear()
})
afterAll(async () => {
  await bench.end()
})

const detachedOnly = { consistency: { prefer: ['detached' as const], require: 'detached' as const } }

/** The real client, with something happening at one of its calls. */
function depsWith(change: Partial<Deps['cinder']>): Deps {
  return { ...bench.deps, cinder: { ...bench.api, ...change } }
}

/** Sources that see these clients on every image. */
function watchedBy(...looks: string[][]): Deps {
  let look = 0
  const source = { watchers: async () => looks[Math.min(look++, looks.length - 1)] ?? [] } as unknown as Source
  return { ...bench.deps, sources: { zones: [], find: () => source } }
}

describe('takeCapture', () => {
  it('takes one snapshot that says whose it is, and calls what nobody uses detached', async () => {
    const volumeId = await bench.newVolume({ archive: 'gold' })
    const request = bench.request(volumeId, { group: 'server/1' })
    const capture = await bench.run(takeCapture(bench.deps), request)
    const [snapshot, ...others] = bench.snapshotsOf(volumeId)
    expect(others).toEqual([])
    expect(snapshot).toMatchObject({ id: capture.snapshotId, name: `ck-${request.archiveId}`, status: 'available' })
    expect(snapshot?.metadata).toMatchObject({
      'ck:installation': bench.installation,
      'ck:archive': request.archiveId,
      'ck:purpose': 'capture',
      'ck:volume': volumeId,
    })
    expect(Date.parse(snapshot?.metadata['ck:expires'] ?? '')).toBeGreaterThan(Date.now())
    expect(capture).toMatchObject({
      ...{ archiveId: request.archiveId, archive: request.archive, slot: request.slot, group: 'server/1' },
      ...{ consistency: 'detached', watchers: 'unknown', sizeBytes: 2 ** 30 },
      point: `${capture.capturedAt}-${request.archiveId.slice(0, 8)}`,
      volume: { volumeId, name: 'db', metadata: { archive: 'gold' } },
    })
    expect(capture.capturedAt).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/)
  })

  it('finds the snapshot whose answer was lost, and makes no second one', async () => {
    const volumeId = await bench.newVolume()
    const request = bench.request(volumeId)
    bench.sandbox.faults.add({ kind: 'lost-answer', method: 'POST', path: '/snapshots$' })
    await expect(bench.run(takeCapture(bench.deps), request)).rejects.toMatchObject({ code: 'CK-CLOUD-ANSWER-LOST' })
    const capture = await bench.run(takeCapture(bench.deps), request)
    expect(bench.snapshotsOf(volumeId).map(({ id }) => id)).toEqual([capture.snapshotId])
    expect(bench.asked('POST', /\/snapshots$/)).toBe(1)
    expect(capture.consistency).toBe('detached')
  })

  it('keeps the oldest of two that lost answers left, and removes the other', async () => {
    const volumeId = await bench.newVolume()
    const request = bench.request(volumeId)
    const metadata = { 'ck:installation': bench.installation, 'ck:archive': request.archiveId, 'ck:before': 'detached' }
    const make = async () =>
      bench.api.createSnapshot({ volumeId, name: `ck-${request.archiveId}`, force: true, metadata })
    const [first, second] = [await make(), await make()]
    await bench.sandbox.idle()
    const older = bench.sandbox.state.snapshots.get(second.id)
    if (older !== undefined) older.createdAt = '2020-01-01T00:00:00.000000'
    const capture = await bench.run(takeCapture(bench.deps), request)
    await bench.sandbox.idle()
    expect(capture.snapshotId).toBe(second.id)
    expect(bench.snapshotsOf(volumeId).map(({ id }) => id)).toEqual([second.id])
    expect(bench.sandbox.state.snapshots.has(first.id)).toBe(false)
  })

  it('captures an attached volume by force, as crash', async () => {
    const volumeId = await bench.newVolume()
    bench.attach(volumeId)
    const capture = await bench.run(takeCapture(bench.deps), bench.request(volumeId))
    expect(capture.consistency).toBe('crash')
    expect(capture.volume.attachments).toHaveLength(1)
  })

  it('does not call detached what was attached while the snapshot was made', async () => {
    const volumeId = await bench.newVolume()
    const deps = depsWith({
      getSnapshot: async (id) => {
        if (bench.sandbox.state.volumes.get(volumeId)?.status === 'available') bench.attach(volumeId)
        return bench.api.getSnapshot(id)
      },
    })
    const capture = await bench.run(takeCapture(deps), bench.request(volumeId))
    expect(capture.consistency).toBe('crash')
  })

  it('does not call detached what was detached only after the snapshot, in a later attempt either', async () => {
    const volumeId = await bench.newVolume()
    const request = bench.request(volumeId)
    bench.attach(volumeId)
    bench.sandbox.faults.add({ kind: 'lost-answer', method: 'POST', path: '/snapshots$' })
    await expect(bench.run(takeCapture(bench.deps), request)).rejects.toMatchObject({ code: 'CK-CLOUD-ANSWER-LOST' })
    bench.detach(volumeId)
    expect(await bench.run(takeCapture(bench.deps), request)).toMatchObject({ consistency: 'crash' })
  })

  it('believes no detachment while another client has the image open', async () => {
    const volumeId = await bench.newVolume()
    const client = '10.0.0.7:0/123 client.4711'
    const late = await bench.run(takeCapture(watchedBy([], [client])), bench.request(volumeId))
    expect(late).toMatchObject({ consistency: 'crash', watchers: [client] })
    const early = await bench.run(takeCapture(watchedBy([client], [])), bench.request(volumeId))
    expect(early).toMatchObject({ consistency: 'crash', watchers: [client] })
    const never = await bench.run(takeCapture(watchedBy([])), bench.request(volumeId))
    expect(never).toMatchObject({ consistency: 'detached', watchers: 'none' })
  })

  it('says that watchers are unknown where the storage cannot be asked', async () => {
    const volumeId = await bench.newVolume()
    const source = { watchers: async () => Promise.reject(new Error('no keyring')) } as unknown as Source
    const deps = { ...bench.deps, sources: { zones: [], find: () => source } }
    expect(await bench.run(takeCapture(deps), bench.request(volumeId))).toMatchObject({
      ...{ consistency: 'detached', watchers: 'unknown' },
    })
  })

  it('refuses what lies below the floor before anything is made', async () => {
    const volumeId = await bench.newVolume()
    bench.attach(volumeId)
    await expect(bench.run(takeCapture(bench.deps), bench.request(volumeId, detachedOnly))).rejects.toMatchObject({
      code: 'CK-CONSISTENCY-FLOOR',
      message: expect.stringContaining('it is attached') as unknown,
    })
    expect(bench.asked('POST', /\/snapshots$/)).toBe(0)
  })

  it('leaves no snapshot when the floor was missed only while it was made', async () => {
    const volumeId = await bench.newVolume()
    const deps = depsWith({
      getSnapshot: async (id) => {
        if (bench.sandbox.state.volumes.get(volumeId)?.status === 'available') bench.attach(volumeId)
        return bench.api.getSnapshot(id)
      },
    })
    await expect(bench.run(takeCapture(deps), bench.request(volumeId, detachedOnly))).rejects.toMatchObject({
      code: 'CK-CONSISTENCY-FLOOR',
    })
    expect(bench.asked('POST', /\/snapshots$/)).toBe(1)
    await bench.sandbox.idle()
    expect(bench.snapshotsOf(volumeId)).toEqual([])
  })

  it('says that the volume was in use before, when it no longer is', async () => {
    const volumeId = await bench.newVolume()
    const request = bench.request(volumeId)
    bench.attach(volumeId)
    await bench.run(takeCapture(bench.deps), request)
    bench.detach(volumeId)
    await expect(bench.run(takeCapture(bench.deps), { ...request, ...detachedOnly })).rejects.toMatchObject({
      message: expect.stringContaining('it was attached just before') as unknown,
    })
  })

  it('removes a snapshot that Cinder could not make, tells Cinder’s reason, and makes a new one at the next try', async () => {
    const volumeId = await bench.newVolume()
    const request = bench.request(volumeId)
    bench.sandbox.faults.add({ kind: 'fail', work: 'snapshot.create' })
    const message = { id: 'm', eventId: 'e', userMessage: 'the pool is full', level: 'ERROR', createdAt: '' }
    const deps = depsWith({ listMessages: async () => [message] })
    await expect(bench.run(takeCapture(deps), request)).rejects.toMatchObject({
      code: 'CK-SNAPSHOT-FAILED',
      cure: 'the pool is full',
    })
    // at once, while the failed one is still being deleted
    const capture = await bench.run(takeCapture(bench.deps), request)
    await bench.sandbox.idle()
    expect(bench.snapshotsOf(volumeId).map(({ id, status }) => [id, status])).toEqual([
      [capture.snapshotId, 'available'],
    ])
  })

  it('neither adopts nor deletes a snapshot of the same name that is a tenant’s or another installation’s', async () => {
    const volumeId = await bench.newVolume()
    const request = bench.request(volumeId)
    const name = `ck-${request.archiveId}`
    const theirs = { 'ck:installation': randomUUID(), 'ck:archive': request.archiveId, 'ck:before': 'detached' }
    const tenants = await bench.tenant.createSnapshot({ volumeId, name, force: true })
    const foreign = await bench.api.createSnapshot({ volumeId, name, force: true, metadata: theirs })
    await bench.sandbox.idle()
    const capture = await bench.run(takeCapture(bench.deps), request)
    expect([tenants.id, foreign.id]).not.toContain(capture.snapshotId)
    await bench.run(releaseCapture(bench.deps), { ...request, snapshotId: capture.snapshotId })
    await bench.sandbox.idle()
    expect(
      bench
        .snapshotsOf(volumeId)
        .map(({ id }) => id)
        .sort(),
    ).toEqual([tenants.id, foreign.id].sort())
  })

  it('says that the volume is gone', async () => {
    await expect(bench.run(takeCapture(bench.deps), bench.request(randomUUID()))).rejects.toMatchObject({
      code: 'CK-VOLUME-GONE',
    })
  })

  it('makes no snapshot where every target makes its own, and calls that crash', async () => {
    const volumeId = await bench.newVolume()
    const request = bench.request(volumeId, { snapshot: false })
    expect(await bench.run(takeCapture(bench.deps), request)).toMatchObject({
      ...{ snapshotId: '', consistency: 'crash', sizeBytes: 2 ** 30 },
    })
    await expect(bench.run(takeCapture(bench.deps), { ...request, ...detachedOnly })).rejects.toMatchObject({
      code: 'CK-CONSISTENCY-FLOOR',
    })
    expect(bench.asked('POST', /\/snapshots$/)).toBe(0)
  })

  describe('where there is no room', () => {
    const short = { fits: false, reason: 'the quota of our project is too small' } as const
    const withRoom = (...roomy: string[]): Deps => {
      const one = (name: string) => ({ preflight: async () => (roomy.includes(name) ? { fits: true } : short) })
      return { ...bench.deps, targets: new Map(['a', 'b'].map((name) => [name, one(name)])) as never }
    }
    const targets = [
      { target: 'a', force: false },
      { target: 'b', force: false },
    ]

    it('puts the archive off before it makes anything', async () => {
      const volumeId = await bench.newVolume()
      const taking = bench.run(takeCapture(withRoom()), bench.request(volumeId, { targets }))
      await expect(taking).rejects.toMatchObject({ code: 'CK-DEFERRED' })
      await expect(taking).rejects.toThrow('a: the quota of our project is too small. b: the quota')
      expect(bench.snapshotsOf(volumeId)).toEqual([])
    })

    it('captures for the targets that have room, and says which have none', async () => {
      const volumeId = await bench.newVolume()
      const taken = await bench.run(takeCapture(withRoom('b')), bench.request(volumeId, { targets }))
      expect(taken.deferred).toEqual([{ target: 'a', reason: short.reason }])
      expect(bench.snapshotsOf(volumeId)).toHaveLength(1)
    })

    it('counts what movers said of targets that only they reach', async () => {
      const volumeId = await bench.newVolume()
      const full = { hasRoom: false, deferred: [{ target: 'c', reason: 'its cluster is nearly full' }] }
      const none = bench.run(takeCapture(withRoom()), bench.request(volumeId, { targets, asked: full }))
      await expect(none).rejects.toThrow('c: its cluster is nearly full. a: the quota')
      expect(bench.snapshotsOf(volumeId)).toEqual([])
      const asked = { hasRoom: true, deferred: [] }
      const taken = await bench.run(takeCapture(withRoom()), bench.request(volumeId, { targets, asked }))
      expect(taken.deferred?.map(({ target }) => target)).toEqual(['a', 'b'])
      const alone = await bench.run(takeCapture(withRoom()), bench.request(volumeId, { targets: [], asked }))
      expect(alone.deferred).toEqual([])
      expect(bench.snapshotsOf(volumeId)).toHaveLength(2)
    })

    it('goes on with what an earlier attempt took: then there was room', async () => {
      const volumeId = await bench.newVolume()
      const request = bench.request(volumeId, { targets })
      const first = await bench.run(takeCapture(withRoom('a', 'b')), request)
      const again = await bench.run(takeCapture(withRoom()), request)
      expect(again).toMatchObject({ snapshotId: first.snapshotId, deferred: [] })
    })

    it('asks the real target with what Cinder tells', async () => {
      const volumeId = await bench.newVolume()
      bench.sandbox.state.pool.freeGib = 0
      const taking = bench.run(takeCapture(bench.deps), bench.request(volumeId))
      await expect(taking).rejects.toThrow('the pool sandbox@files#pool is full')
      bench.sandbox.state.pool.freeGib = 1000
    })
  })
})
