import { randomUUID } from 'node:crypto'
import { afterEach, beforeAll, afterAll, describe, expect, it } from 'vitest'
import { captureByNova, type NovaCaptureRequest } from '../../activities/capture-by-nova.js'
import type { NovaDeps } from '../../activities/nova-leftovers.js'
import { releaseByNova } from '../../activities/release-by-nova.js'
import { releaseCapture } from '../../activities/release-capture.js'
import { toFailure } from '../../activities/failures.js'
import type { ServerRecord } from '../../sandbox/state.js'
import { activityBench, type ActivityBench } from './bench.js'
import { killedAt } from './killed-at.js'

let bench: ActivityBench
beforeAll(async () => {
  const soon = { 'volume.create': 1, 'snapshot.create': 1, 'snapshot.delete': 1, 'server.thaw': 1 }
  bench = await activityBench({ bytesPerGib: 2 ** 20, delays: soon })
})
afterEach(() => {
  bench.sandbox.faults.clear()
  bench.sandbox.record.clear()
})
afterAll(async () => {
  await bench.end()
})

interface Case {
  server: ServerRecord
  request: NovaCaptureRequest
  /** All that the server has; the last one is not asked for. */
  volumes: string[]
}

async function threeDisks(properties?: Record<string, string>): Promise<Case> {
  const volumes = [await bench.newVolume(), await bench.newVolume(), await bench.newVolume()]
  const server = bench.newServer(volumes, properties)
  const wanted = volumes.slice(0, 2).map((volumeId) => ({ volumeId, archiveId: randomUUID() }))
  const request = {
    ...{ archive: 'server/1', serverId: server.id, imageName: `ck-${randomUUID()}`, volumes: wanted },
    maxAgeSeconds: 3600,
  }
  return { server, request, volumes }
}

const capture = async ({ request }: Case, deps: NovaDeps = bench.deps) => bench.run(captureByNova(deps), request)
const release = async (
  { request: { imageName, serverId, volumes } }: Case,
  { deps = bench.deps, settled = false }: { deps?: NovaDeps; settled?: boolean } = {},
) => bench.run(releaseByNova(deps), { imageName, serverId, volumes, settled })
const snapshotsOf = ({ volumes }: Case) => volumes.flatMap((id) => bench.snapshotsOf(id))
const imagesOf = ({ request }: Case) =>
  [...bench.sandbox.state.images.values()].filter(({ name }) => name === request.imageName)

/** One available snapshot a wanted volume, of one freeze, and nothing else. */
function expectOneSet(one: Case): void {
  const left = snapshotsOf(one)
  expect(left.map(({ volumeId, name, status }) => ({ volumeId, name, status }))).toEqual(
    one.request.volumes.map(({ volumeId, archiveId }) => ({ volumeId, name: `ck-${archiveId}`, status: 'available' })),
  )
  expect(left[0]?.writes).toBe(left[1]?.writes)
  expect(imagesOf(one)).toEqual([])
}

describe('captureByNova', () => {
  it('makes captures of ours of what Nova froze, and removes the image and what nobody asked for', async () => {
    const one = await threeDisks()
    const { snapshots } = await capture(one)
    await bench.sandbox.idle()
    expectOneSet(one)
    expect(snapshots).toEqual(
      one.request.volumes.map(({ volumeId, archiveId }) => ({
        ...{ volumeId, archiveId, name: `ck-${archiveId}`, frozen: true, reason: null, sizeBytes: 2 ** 30 },
        snapshotId: bench.snapshotsOf(volumeId)[0]?.id,
        createdAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/) as string,
      })),
    )
    expect(snapshotsOf(one).map(({ frozen }) => frozen)).toEqual([true, true])
    expect(one.server.guest).toMatchObject({ frozen: false, freezes: 1 })
    const [volume] = one.request.volumes
    if (volume === undefined) throw new Error('no volume')
    await bench.run(releaseCapture(bench.deps), { ...volume, snapshotId: null })
    expect(bench.snapshotsOf(volume.volumeId)).toEqual([])
  })

  it('does nothing twice: a second attempt finds what the first one made', async () => {
    const one = await threeDisks()
    const first = await capture(one)
    expect(await capture(one)).toEqual(first)
    expect(bench.asked('POST', /\/action$/)).toBe(1)
  })

  it('waits for the image when the answer is lost', async () => {
    const one = await threeDisks()
    bench.sandbox.faults.add({ kind: 'lost-answer', method: 'POST', path: '/action$' })
    expect((await capture(one)).snapshots.map(({ frozen }) => frozen)).toEqual([true, true])
    expectOneSet(one)
    expect(one.server.guest.freezes).toBe(1)
  })

  it('fails with a lost answer when no image comes, and the next attempt begins anew', async () => {
    const one = await threeDisks()
    bench.sandbox.faults.add({ kind: 'stuck', work: 'image.snapshot', nth: 2 })
    await expect(capture(one)).rejects.toMatchObject({ code: 'CK-CLOUD-ANSWER-LOST' })
    // nova-api died: the guest is frozen until somebody thaws it
    expect(one.server.guest.frozen).toBe(true)
    await expect(capture(one)).rejects.toMatchObject({ code: 'CK-NOVA-QUIESCE-FAILED' })
    one.server.guest.frozen = false
    await capture(one)
    expectOneSet(one)
  })

  it.each([
    ['a snapshot', 'image.snapshot', 2],
    ['the image', 'image.create', 1],
  ] as const)('removes what Nova leaves when %s fails', async (_what, work, nth) => {
    const one = await threeDisks()
    bench.sandbox.faults.add({ kind: 'fail', work, nth })
    await expect(capture(one)).rejects.toMatchObject({ code: 'CK-NOVA-IMAGE-FAILED' })
    expect(snapshotsOf(one)).toEqual([])
    await bench.sandbox.idle()
    await capture(one)
    expectOneSet(one)
  })

  it('removes all of it when Cinder cannot make one of the snapshots', async () => {
    const one = await threeDisks()
    bench.sandbox.faults.add({ kind: 'fail', work: 'snapshot.create', nth: 2 })
    await expect(capture(one)).rejects.toMatchObject({ code: 'CK-NOVA-IMAGE-FAILED' })
    expect([snapshotsOf(one), imagesOf(one)]).toEqual([[], []])
  })

  it.each([
    [
      'agent absent',
      'CK-NOVA-QUIESCE-FAILED',
      (server: ServerRecord): void => {
        server.guest.agent = 'absent'
      },
    ],
    [
      'frozen by another',
      'CK-NOVA-QUIESCE-FAILED',
      (server: ServerRecord): void => {
        server.guest.frozen = true
      },
    ],
    [
      'off',
      'CK-NOVA-SERVER-NOT-ACTIVE',
      (server: ServerRecord): void => {
        server.status = 'SHUTOFF'
      },
    ],
    [
      'with an image',
      'CK-NOVA-NOT-VOLUME-BACKED',
      (server: ServerRecord): void => {
        server.imageRef = randomUUID()
      },
    ],
  ] as const)('of a server that is %s is refused: %s', async (_what, code, change) => {
    const one = await threeDisks()
    change(one.server)
    const error = await capture(one).catch((failure: unknown) => failure)
    expect(error).toMatchObject({ code })
    expect(toFailure(error, 'captureByNova')).toMatchObject({ nonRetryable: true })
    expect(snapshotsOf(one)).toEqual([])
  })

  it('refuses before Nova is asked where the boot volume does not require it, or a volume is elsewhere', async () => {
    const loose = await threeDisks({ hw_qemu_guest_agent: 'yes' })
    await expect(capture(loose)).rejects.toMatchObject({
      code: 'CK-NOVA-QUIESCE-NOT-REQUIRED',
      message: expect.stringContaining('os_require_quiesce') as string,
    })
    const one = await threeDisks()
    bench.detach(one.request.volumes[1]?.volumeId ?? '')
    await expect(capture(one)).rejects.toMatchObject({ code: 'CK-NOVA-NOT-ATTACHED' })
    expect(bench.asked('POST', /\/action$/)).toBe(0)
  })

  it('says not frozen when Nova knew the server without the properties, whatever the volume says now', async () => {
    const one = await threeDisks()
    one.server.imageProperties = {}
    const { snapshots } = await capture(one)
    expect(snapshots.map(({ frozen }) => frozen)).toEqual([false, false])
    expect(snapshots[0]?.reason).toContain('hw_qemu_guest_agent')
    expect(snapshotsOf(one).map(({ frozen }) => frozen)).toEqual([false, false])
  })

  it('says not frozen when the server is off afterwards, also to the attempt after', async () => {
    const one = await threeDisks()
    const nova = {
      ...bench.deps.nova,
      async createImage(...given: Parameters<NovaDeps['nova']['createImage']>) {
        const id = await bench.deps.nova.createImage(...given)
        one.server.status = 'SHUTOFF'
        return id
      },
    }
    const first = await capture(one, { ...bench.deps, nova })
    expect(first.snapshots.map(({ frozen }) => frozen)).toEqual([false, false])
    one.server.status = 'ACTIVE'
    expect(await capture(one)).toEqual(first)
  })

  it('says not frozen of a volume that another server has attached too', async () => {
    const one = await threeDisks()
    const shared = bench.sandbox.state.volumes.get(one.request.volumes[1]?.volumeId ?? '')
    if (shared === undefined) throw new Error('no volume')
    shared.multiattach = true
    bench.sandbox.addServer({ name: 'other', projectId: 'p', userId: 'u', volumes: [shared.id] })
    expect((await capture(one)).snapshots.map(({ frozen }) => frozen)).toEqual([true, false])
  })

  it('is put off by a full quota, before any freeze', async () => {
    const one = await threeDisks()
    const { quotas } = bench.sandbox.state
    const before = new Map(quotas)
    for (const [id, quota] of quotas) quotas.set(id, { ...quota, snapshots: 0 })
    await expect(capture(one)).rejects.toMatchObject({ code: 'CK-CLOUD-QUOTA' })
    for (const [id, quota] of before) quotas.set(id, quota)
    expect(one.server.guest.freezes).toBe(0)
  })

  it('touches no image and no snapshot of another installation or of a tenant', async () => {
    const one = await threeDisks()
    const { imageName, volumes } = one.request
    const foreign = { ...bench.deps, installation: randomUUID() }
    await capture({ ...one, request: { ...one.request, volumes: volumes.slice(0, 1) } }, foreign)
    const [theirs] = snapshotsOf(one)
    await bench.tenant.createSnapshot({ volumeId: one.volumes[2] ?? '', name: imageName, force: true })
    await bench.sandbox.idle()
    await capture(one)
    await release(one)
    expect(snapshotsOf(one).map(({ name }) => name)).toEqual([theirs?.name, imageName])
  })
})

/** Lets an attempt die at each of its calls in turn, until there is none left; the number of calls hangs on polling. */
async function dieEverywhere(
  moment: 'before' | 'after',
  then: (one: Case, deps: NovaDeps) => Promise<void>,
): Promise<number> {
  const deps = { ...bench.deps, patienceMs: 50 }
  for (let at = 0; ; at += 1) {
    const one = await threeDisks()
    const end = await capture(one, killedAt(deps, at, moment)).catch((error: unknown) => error)
    if (!(end instanceof Error)) return at
    expect(end.message, `call ${at}`).toMatch(/^killed/)
    await then(one, deps)
    expect(one.server.guest.frozen, end.message).toBe(false)
  }
}

describe('an attempt that dies at any call', () => {
  it.each(['before', 'after'] as const)(
    'is made good by the next (%s the call)',
    async (moment) => {
      const calls = await dieEverywhere(moment, async (one, deps) => {
        const { snapshots } = await capture(one, deps)
        expect(snapshots.map(({ frozen }) => frozen)).toEqual([true, true])
        await bench.sandbox.idle()
        expectOneSet(one)
        await release(one, { deps })
        expect([snapshotsOf(one), imagesOf(one)]).toEqual([[], []])
      })
      expect(calls).toBeGreaterThan(15)
    },
    240_000,
  )

  it('leaves nothing that releaseByNova does not remove', async () => {
    const calls = await dieEverywhere('after', async (one, deps) => {
      await release(one, { deps })
      await bench.sandbox.idle()
      expect([snapshotsOf(one), imagesOf(one)]).toEqual([[], []])
    })
    expect(calls).toBeGreaterThan(15)
  }, 240_000)
})

describe('a snapshot that Cinder never makes', () => {
  // Nova's thaw waits for it, without any limit of time
  it('keeps the guest frozen no longer than it is given, and leaves nothing', async () => {
    const one = await threeDisks()
    bench.sandbox.faults.add({ kind: 'stuck', work: 'snapshot.create', nth: 2 })
    await expect(capture(one, { ...bench.deps, stuckMs: 300 })).rejects.toMatchObject({ code: 'CK-NOVA-IMAGE-FAILED' })
    await bench.sandbox.idle()
    expect(one.server.guest).toMatchObject({ frozen: false, freezes: 1 })
    expect([snapshotsOf(one), imagesOf(one)]).toEqual([[], []])
  })

  it('of a volume that nobody asked for keeps it frozen no longer, and takes nothing from the others', async () => {
    const one = await threeDisks()
    bench.sandbox.faults.add({ kind: 'stuck', work: 'snapshot.create', nth: 3 })
    const { snapshots } = await capture(one, { ...bench.deps, stuckMs: 300 })
    await bench.sandbox.idle()
    expect(snapshots.map(({ frozen }) => frozen)).toEqual([true, true])
    expectOneSet(one)
    expect(one.server.guest).toMatchObject({ frozen: false, freezes: 1 })
  })

  it('is not waited for when what Nova left is removed', async () => {
    const one = await threeDisks()
    // nova-api dies after two of three
    bench.sandbox.faults.add({ kind: 'stuck', work: 'snapshot.create', nth: 1 })
    bench.sandbox.faults.add({ kind: 'stuck', work: 'image.snapshot', nth: 3 })
    const asked = bench.deps.nova.createImage(one.server.id, { name: one.request.imageName, metadata: {} })
    asked.catch(() => undefined)
    await expect.poll(() => snapshotsOf(one).length).toBe(2)
    await release(one, { deps: { ...bench.deps, stuckMs: 300, patienceMs: 500 } })
    expect([snapshotsOf(one), imagesOf(one)]).toEqual([[], []])
  })
})

describe('releaseByNova', () => {
  it('waits for what appears later, and not where it knows that nothing will', async () => {
    const one = await threeDisks()
    const [, , extra = ''] = one.volumes
    const late = setTimeout(() => {
      void bench.api.createSnapshot({ volumeId: extra, name: `snapshot for ${one.request.imageName}`, force: true })
    }, 150)
    await release(one)
    clearTimeout(late)
    expect(snapshotsOf(one)).toEqual([])
    const looks = () => bench.asked('GET', /\/images/)
    expect(looks()).toBeGreaterThan(1)
    const before = looks()
    await release(one, { settled: true })
    expect(looks() - before).toBe(1)
  })

  it('leaves handed-over captures alone when none is named', async () => {
    const one = await threeDisks()
    await capture(one)
    const { imageName, serverId } = one.request
    await bench.run(releaseByNova(bench.deps), { imageName, serverId, volumes: [], settled: true })
    expectOneSet(one)
  })
})
