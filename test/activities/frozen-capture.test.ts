/** Captures of volumes whose servers were frozen, in the three acts in which they are made. */
import { randomUUID } from 'node:crypto'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { MoveDeps } from '../../activities/move-activities.js'
import { planFreeze } from '../../activities/plan-freeze.js'
import { prepareCapture } from '../../activities/prepare-capture.js'
import { releaseCapture } from '../../activities/release-capture.js'
import { snapshotTogether } from '../../activities/snapshot-together.js'
import { type CaptureRequest, takeCapture } from '../../activities/take-capture.js'
import type { Source } from '../../source/source.js'
import type { CapturedBy } from '../../workflows/messages.js'
import { gate } from '../helpers/workflow-rig.js'
import { activityBench, type ActivityBench } from './bench.js'
import { fakeImages } from './fake-images.js'

let bench: ActivityBench
beforeAll(async () => {
  bench = await activityBench()
})
afterEach(() => {
  bench.sandbox.faults.clear()
})
afterAll(async () => {
  await bench.end()
})

const withinMs = 60_000
const consistency: CaptureRequest['consistency'] = { prefer: ['detached', 'frozen', 'crash'], require: 'crash' }

const memberOf = ({ volumeId, archiveId, archive, maxAgeSeconds, capturedBy }: CaptureRequest) => ({
  ...{ volumeId, archiveId, archive, maxAgeSeconds, name: 'db' },
  ...(capturedBy !== undefined && { capturedBy }),
})

async function inUse() {
  const volumeId = await bench.newVolume()
  bench.newServer([volumeId])
  return bench.request(volumeId, { consistency })
}

/** As the movers have it that reach the image. */
async function onRbd() {
  const fake = fakeImages()
  const request = await inUse()
  const { volumeId } = request
  fake.add(`volume-${volumeId}`)
  const { host, nameId } = await bench.api.getVolume(volumeId)
  const capturedBy: CapturedBy = { maker: 'rbd', queue: 'q', seconds: 1764090000, place: { volumeId, host, nameId } }
  const source = { watchers: async () => ['client.1'] } as unknown as Source
  const deps: MoveDeps = {
    ...bench.deps,
    sources: { zones: ['default'], find: () => source },
    imagesOf: () => fake.pool,
    targets: new Map([['second', { reads: 'source' } as never]]),
  }
  return { deps, fake, request: { ...request, capturedBy, targets: [{ target: 'second', force: false }] } }
}

describe('a capture under a freeze', () => {
  it('is frozen when it is the very snapshot that was taken then, and says with whom', async () => {
    const request = await inUse()
    const prepared = await bench.run(prepareCapture(bench.deps), request)
    expect(prepared).toEqual({ isTaken: false, isDetached: false, deferred: [] })
    const { taken: both, failed } = await bench.run(snapshotTogether(bench.deps), {
      members: [memberOf(request)],
      withinMs,
    })
    const [taken] = both
    expect(failed).toEqual([])
    expect(bench.snapshotsOf(request.volumeId)).toMatchObject([{ id: taken?.snapshotId, status: 'available' }])
    expect((await bench.run(prepareCapture(bench.deps), request)).isTaken).toBe(true)
    const told = { frozenSnapshotId: taken?.snapshotId, group: 's/1', members: [request.volumeId] }
    const { consistency: is, group, members } = await bench.run(takeCapture(bench.deps), { ...request, ...told })
    expect({ is, group, members }).toEqual({ is: 'frozen', group: 's/1', members: [request.volumeId] })
    // of an attempt that is told of none, or of another one, it is what it would be without a freeze
    for (const frozenSnapshotId of [undefined, 'another']) {
      const other = await bench.run(takeCapture(bench.deps), { ...request, frozenSnapshotId })
      expect(other).toMatchObject({ consistency: 'crash', snapshotId: taken?.snapshotId })
    }
    await bench.run(releaseCapture(bench.deps), { ...request, snapshotId: null })
    expect(bench.snapshotsOf(request.volumeId)).toEqual([])
  })

  it('of several volumes is taken of those that can be, though one fails', async () => {
    const [request, gone] = [await inUse(), { ...(await inUse()), volumeId: randomUUID() }]
    const members = [memberOf(gone), memberOf(request)]
    const { taken, failed } = await bench.run(snapshotTogether(bench.deps), { members, withinMs })
    expect(taken).toMatchObject([{ volumeId: request.volumeId }])
    expect(failed).toHaveLength(1)
    expect(failed[0]).toMatch(/^CK-\S+ {2}volume db: /)
    await bench.run(releaseCapture(bench.deps), { ...request, snapshotId: null })
  })

  it('of several volumes is taken of those that can be, though one is stuck, which may appear later', async () => {
    const [request, slow] = [await inUse(), await onRbd()]
    const stuck = gate()
    const imagesOf: MoveDeps['imagesOf'] = () => ({
      ...slow.fake.pool,
      createNewSnapshot: async (...args) => {
        await stuck.opened
        await slow.fake.pool.createNewSnapshot(...args)
      },
    })
    const members = [memberOf(slow.request), memberOf(request)]
    const together = snapshotTogether({ ...slow.deps, imagesOf })
    const { taken, failed } = await bench.run(together, { members, withinMs: 3000 })
    stuck.open()
    expect(taken).toMatchObject([{ volumeId: request.volumeId }])
    expect(failed).toEqual([expect.stringMatching(/^CK-TIMED-OUT {2}volume db: its snapshot did not exist in time/)])
    await bench.run(releaseCapture(bench.deps), { ...request, snapshotId: null })
  })

  it('that came to nothing is taken unfrozen, or refused with the reason where the policy asks for more', async () => {
    const request = { ...(await inUse()), notFrozen: ['CK-QUIESCE-NO-AGENT  a test'] }
    expect(await bench.run(takeCapture(bench.deps), request)).toMatchObject({ consistency: 'crash' })
    const strict = { ...(await inUse()), notFrozen: request.notFrozen }
    strict.consistency = { ...consistency, require: 'frozen' }
    const refused = bench.run(takeCapture(bench.deps), strict)
    await expect(refused).rejects.toMatchObject({
      code: 'CK-CONSISTENCY-FLOOR',
      cure: expect.stringContaining('CK-QUIESCE-NO-AGENT') as string,
    })
    expect(bench.snapshotsOf(strict.volumeId)).toEqual([])
  })

  it('takes an RBD snapshot under the name and record that were prepared, and no second time', async () => {
    const { deps, fake, request } = await onRbd()
    const { prepared, ...found } = await bench.run(prepareCapture(deps), request)
    expect(found).toMatchObject({ isTaken: false, isDetached: false })
    const act = { members: [memberOf(request)], withinMs }
    const { taken: all } = await bench.run(snapshotTogether(deps), act)
    const [taken] = all
    const frozen = { ...request, frozenSnapshotId: taken?.snapshotId, prepared }
    expect(await bench.run(takeCapture(deps), frozen)).toMatchObject({ consistency: 'frozen', maker: 'rbd' })
    // what a reset of the archive finds may be of a time when nothing was frozen
    const again = await bench.run(snapshotTogether(deps), act)
    expect(again.taken).toEqual([])
    expect(again.failed[0]).toMatch(/^CK-SNAPSHOT-EXISTS {2}volume db: /)
    expect(await bench.run(takeCapture(deps), request)).toMatchObject({ consistency: 'crash' })
    // one of the same name that is taken when the frozen one is gone, by this attempt or the one before, is another
    await bench.run(releaseCapture(deps), { ...request, snapshotId: null, bases: [] })
    for (let attempt = 1; attempt <= 2; attempt += 1)
      expect(await bench.run(takeCapture(deps), frozen)).toMatchObject({ consistency: 'crash', maker: 'rbd' })
    await bench.run(releaseCapture(deps), { ...request, snapshotId: null, bases: [] })
    expect(fake.images[0]).toMatchObject({ snapshots: [] })
    expect(fake.images[0]?.metadata.size).toBe(0)
  })

  it('is not needed of a server that is shut off: nobody writes', async () => {
    const volumeId = await bench.newVolume()
    const server = bench.newServer([volumeId])
    server.status = 'SHUTOFF'
    const serverStatus = async (id: string) => bench.sandbox.state.servers.get(id)?.status ?? null
    const deps = { ...bench.deps, serverStatus }
    const request = bench.request(volumeId, { consistency })
    expect(await bench.run(prepareCapture(deps), request)).toMatchObject({ isDetached: true })
    expect(await bench.run(takeCapture(deps), request)).toMatchObject({ consistency: 'detached' })
    // one that was started in between is found after the snapshot
    const other = bench.request(volumeId, { consistency })
    let looks = 0
    const started = { ...deps, serverStatus: async () => (++looks === 1 ? 'SHUTOFF' : 'ACTIVE') }
    expect(await bench.run(takeCapture(started), other)).toMatchObject({ consistency: 'crash' })
  })
})

describe('planFreeze', () => {
  it('says who has the volumes attached, who can freeze them, and what is nobody’s', async () => {
    const [one, two] = [await bench.newVolume(), await bench.newVolume()]
    const server = bench.newServer([one, two])
    const strange = await bench.newVolume()
    bench.attach(strange)
    const agentServes = async (hypervisor: string) => hypervisor === server.host
    const plan = await bench.run(planFreeze({ ...bench.deps, agentServes }), { volumeIds: [one, two, strange] })
    expect(plan.servers).toMatchObject([
      { id: server.id, status: 'ACTIVE', hypervisor: server.host, hasAgent: true, byNova: { isPossible: true } },
    ])
    expect(plan.servers[0]?.volumeIds.slice().sort()).toEqual([one, two].sort())
    expect(plan.attached.slice(0, 2).map(({ serverIds }) => serverIds)).toEqual([[server.id], [server.id]])
    expect(plan.attached[2]?.serverIds).toHaveLength(1)
    const plain = bench.newServer([await bench.newVolume()], {})
    const boot = [...bench.sandbox.state.volumes.values()].find(({ attachments }) =>
      attachments.some(({ serverId }) => serverId === plain.id),
    )
    const other = await bench.run(planFreeze(bench.deps), { volumeIds: [boot?.id ?? ''] })
    expect(other.servers).toMatchObject([
      { hasAgent: false, byNova: { reason: expect.stringContaining('CK-NOVA-QUIESCE-NOT-REQUIRED') as string } },
    ])
  })
})
