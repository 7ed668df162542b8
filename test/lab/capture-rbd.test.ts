/** Captures by RBD snapshots, and what tenants do meanwhile, on a real Cinder and a real Ceph. */
import { execFile } from 'node:child_process'
import { randomBytes, randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import type { MoveDeps } from '../../activities/move-activities.js'
import { releaseCapture } from '../../activities/release-capture.js'
import { takeCapture, type CaptureRequest } from '../../activities/take-capture.js'
import { openVolumeImages } from '../../activities/volume-images.js'
import { CodedError } from '../../errors/coded-error.js'
import { silentLog } from '../../log/log.js'
import { isCloudError } from '../../openstack/errors.js'
import { hashBytes } from '../../source/hash-bytes.js'
import { leastOsdCaps } from '../../source/least-caps.js'
import { openSources } from '../../source/open-sources.js'
import { sourcesOptions } from '../../source/options.js'
import type { OpenBytes } from '../../source/source.js'
import type { Capture, Target } from '../../targets/target.js'
import type { CapturedBy } from '../../workflows/messages.js'
import { environment } from '../activities/bench.js'
import { labCloud, removeVolumes, volumeIs, waitFor, type LabCloud } from '../helpers/lab-cloud.js'
import { labEnvironment, listImages, listRbdSnapshots, tenantOs, volumeImage, writeRbd } from '../helpers/lab.js'

const run = promisify(execFile)
const lab = labEnvironment()
const mib = 2 ** 20
const pools = { pool: 'volumes', parents: ['images'] }
let scratch: string
const mark = `capture-${randomUUID().slice(0, 8)}`
let admin: LabCloud
let payments: LabCloud
let research: LabCloud
let typeId: string
const volumes: string[] = []

/** @param user whose rights the mover has; by default the least that docs/ceph.md names */
function depsOf(user: 'least' | 'admin' = 'least'): MoveDeps {
  const identity = user === 'admin' ? { user } : { user: mark, keyring: join(scratch, 'keyring') }
  const entry = { match: '*@ceph#*', kind: 'rbd', conf: lab.cephConf.prod, ...pools, ...identity }
  const options = sourcesOptions.parse([entry])
  const target = { name: 'second', kind: 'ceph', reads: 'source' } as unknown as Target
  return {
    ...{ installation, cinder: admin, log: silentLog, throttles: { targets: new Map() } },
    sources: openSources(options),
    imagesOf: openVolumeImages(options),
    targets: new Map([
      ['second', target],
      ['third', target],
    ]),
  }
}
const installation = randomUUID()

async function newVolume(): Promise<string> {
  const { id } = await payments.createVolume({ name: mark, sizeGib: 1 })
  volumes.push(id)
  await volumeIs(admin, id, 'available')
  for (const at of [0, 300]) await writeRbd(lab, volumeImage(id), at * mib, randomBytes(4 * mib))
  return id
}

interface Archive {
  request: CaptureRequest & { capturedBy: CapturedBy }
  take: () => Promise<Capture>
  release: (capture: Capture | null, bases?: string[], deps?: MoveDeps) => Promise<void>
}

/** As an archive does it, under names that are known before. */
async function archiveOf(volumeId: string, deps = depsOf(), laterSeconds = 0): Promise<Archive> {
  const { host, nameId } = await admin.getVolume(volumeId)
  const capturedBy: CapturedBy = {
    ...{ maker: 'rbd', queue: 'move@default', seconds: Math.floor(Date.now() / 1000) + laterSeconds },
    place: { volumeId, host, nameId },
  }
  const request = {
    ...{ archiveId: randomUUID(), archive: `archive/${volumeId}/manual:1/1`, slot: 'manual:1', group: null, volumeId },
    consistency: { prefer: ['detached' as const, 'crash' as const], require: 'crash' as const },
    ...{ maxAgeSeconds: 3600, snapshot: true, targets: [{ target: 'second', force: false }], capturedBy },
  }
  return {
    request,
    take: async () => environment({ heartbeatTimeoutMs: 30_000 }).run(takeCapture(deps), request),
    release: async (capture, bases = [], by = deps) =>
      environment({ heartbeatTimeoutMs: 30_000 }).run(releaseCapture(by), {
        ...{ archiveId: request.archiveId, volumeId, snapshotId: capture?.snapshotId ?? null, capturedBy, bases },
        place: capture?.volume,
      }),
  }
}

async function openCapture({ volume, snapshotId, snapshotName }: Capture): Promise<OpenBytes> {
  const source = depsOf().sources.find(volume.host)
  if (source === undefined) throw new Error('no source')
  const rbdSnapshot = { name: snapshotName, id: Number(snapshotId) }
  return source.open({ ...volume, snapshotId: null, rbdSnapshot })
}

async function rootOf(capture: Capture): Promise<string> {
  return (await hashBytes(await openCapture(capture))).rootHash
}

const trashAnswer = z.array(z.object({ id: z.string(), name: z.string() }))
async function trashed(volumeId: string): Promise<string[]> {
  const args = ['-c', lab.cephConf.prod, 'trash', 'ls', '--all', 'volumes', '--format', 'json']
  const all = trashAnswer.parse(JSON.parse((await run('rbd', args)).stdout))
  return all.filter(({ name }) => name === `volume-${volumeId}`).map(({ id }) => id)
}

async function rbd(...args: string[]): Promise<string> {
  return (await run('rbd', ['-c', lab.cephConf.prod, ...args])).stdout
}

const ours = async (volumeId: string) =>
  (await listRbdSnapshots(lab, 'prod', volumeImage(volumeId))).filter((name) => name.startsWith('backup.'))

const hasOnlyOurs = async (volumeId: string) =>
  (await listRbdSnapshots(lab, 'prod', volumeImage(volumeId))).every((name) => name.startsWith('backup.'))

async function records(volumeId: string): Promise<string[]> {
  const answer = await rbd('image-meta', 'list', volumeImage(volumeId), '--format', 'json')
  return Object.keys(answer.trim() === '' ? {} : (JSON.parse(answer) as Record<string, string>))
}

async function act(cloud: LabCloud, volumeId: string, action: unknown, microversion = '3.40'): Promise<void> {
  await cloud.session.request('block-storage', {
    ...{ method: 'POST', path: `/volumes/${volumeId}/action`, json: action },
    microversion: { least: microversion, most: microversion },
  })
}

beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'cinderkeep-capture-'))
  const caps = ['mon', 'profile rbd', 'osd', leastOsdCaps(pools), '-o', join(scratch, 'keyring')]
  await run('ceph', ['-c', lab.cephConf.prod, 'auth', 'get-or-create', `client.${mark}`, ...caps])
  admin = await labCloud(lab, lab.os)
  const [first = '', second = ''] = lab.tenants
  payments = await labCloud(lab, tenantOs(lab, first))
  research = await labCloud(lab, tenantOs(lab, second))
  const { body } = await admin.session.request('block-storage', {
    ...{ method: 'POST', path: '/types', json: { volume_type: { name: mark } } },
    microversion: { least: '3.40', most: '3.40' },
  })
  typeId = z.object({ volume_type: z.object({ id: z.string() }) }).parse(body).volume_type.id
})

afterAll(async () => {
  for (const [id, snapshots] of snapshotsToRevertTo) {
    for (const snapshot of snapshots) await payments.deleteSnapshot(snapshot)
    await waitFor('no snapshot', async () => ((await hasOnlyOurs(id)) ? true : null))
  }
  await removeVolumes(admin, volumes)
  for (const id of volumes)
    for (const image of await trashed(id)) await rbd('trash', 'rm', '--no-progress', `volumes/${image}`)
  await admin.session.request('block-storage', {
    ...{ method: 'DELETE', path: `/types/${typeId}` },
    microversion: { least: '3.40', most: '3.40' },
  })
  for (const cloud of [admin, payments, research]) cloud.session.close()
  await run('ceph', ['-c', lab.cephConf.prod, 'auth', 'rm', `client.${mark}`])
  await rm(scratch, { recursive: true })
})

/** What a tenant may do with a volume at any time; returns when Cinder has done it. */
const acts: Record<string, (volumeId: string) => Promise<void>> = {
  extend: async (id) => {
    await act(payments, id, { 'os-extend': { new_size: 2 } })
    await volumeIs(admin, id, 'available')
    expect((await admin.getVolume(id)).sizeGib).toBe(2)
  },
  revert: async (id) => {
    const [snapshot] = snapshotsToRevertTo.get(id) ?? []
    await act(payments, id, { revert: { snapshot_id: snapshot } })
    await volumeIs(admin, id, 'available')
  },
  retype: async (id) => {
    await act(payments, id, { 'os-retype': { new_type: mark, migration_policy: 'never' } })
    await waitFor('the retype', async () => {
      const { type, status } = await admin.getVolume(id)
      return type === mark && status === 'available' ? true : null
    })
  },
  transfer: async (id) => {
    const before = (await admin.getVolume(id)).projectId
    const { body } = await payments.session.request('block-storage', {
      ...{ method: 'POST', path: '/volume-transfers', json: { transfer: { volume_id: id, name: mark } } },
      microversion: { least: '3.40', most: '3.40' },
    })
    const { transfer } = z.object({ transfer: z.object({ id: z.string(), auth_key: z.string() }) }).parse(body)
    const accept = { accept: { auth_key: transfer.auth_key } }
    await research.session.request('block-storage', {
      ...{ method: 'POST', path: `/volume-transfers/${transfer.id}/accept`, json: accept },
      microversion: { least: '3.40', most: '3.40' },
    })
    await volumeIs(admin, id, 'available')
    expect((await admin.getVolume(id)).projectId).not.toBe(before)
  },
}
const snapshotsToRevertTo = new Map<string, string[]>()

async function snapshotOf(volumeId: string): Promise<void> {
  const { id } = await payments.createSnapshot({ volumeId, name: mark, force: true })
  snapshotsToRevertTo.set(volumeId, [id])
  await waitFor('the snapshot', async () => ((await admin.getSnapshot(id)).status === 'available' ? true : null))
}

async function deleted(volumeId: string): Promise<void> {
  await payments.deleteVolume(volumeId)
  await waitFor(`volume ${volumeId} to be gone`, async () => {
    try {
      const { status } = await admin.getVolume(volumeId)
      if (status.startsWith('error')) throw new Error(`the delete ended as ${status}`)
      return null
    } catch (error) {
      if (isCloudError(error, 'CK-VOLUME-GONE')) return true
      throw error
    }
  })
  expect(await listImages(lab, 'prod', 'volumes')).not.toContain(`volume-${volumeId}`)
  expect(await trashed(volumeId)).toEqual([])
}

/** Reads a capture and has something done in the middle; the rest is held back meanwhile. */
async function readWhile(capture: Capture, meanwhile: () => Promise<void>): Promise<string> {
  const bytes = await openCapture(capture)
  let isDone = false
  const hashed = await hashBytes({
    ...bytes,
    read: async function* (signal) {
      for await (const data of bytes.read(signal)) {
        yield data
        if (!isDone) await meanwhile()
        isDone = true
      }
    },
  })
  return hashed.rootHash
}

describe('a capture by RBD snapshot', () => {
  it('is one snapshot that says whose it is, found again by the next attempt, and leaves nothing when released', async () => {
    const id = await newVolume()
    const archive = await archiveOf(id)
    const capture = await archive.take()
    const { archiveId, capturedBy } = archive.request
    const name = `backup.${archiveId}.snap.${capturedBy.seconds}`
    expect(capture).toMatchObject({ maker: 'rbd', snapshotName: name, sizeBytes: 2 ** 30, consistency: 'detached' })
    expect(capture.watchers).toBe('none')
    expect(await archive.take()).toEqual(capture)
    expect(await ours(id)).toEqual([name])
    expect(await records(id)).toEqual([`ck.${archiveId}`])
    await archive.release(capture)
    await archive.release(capture)
    expect(await ours(id)).toEqual([])
    expect(await records(id)).toEqual([])
  })

  it('becomes the one base of its targets, and the older one goes', async () => {
    const id = await newVolume()
    const [first, second, third] = [await archiveOf(id), await archiveOf(id), await archiveOf(id)]
    const one = await first.take()
    await first.release(one, ['second', 'third'])
    expect(await ours(id)).toEqual([one.snapshotName])
    const two = await second.take()
    await second.release(two, ['second'])
    expect(await ours(id)).toEqual([one.snapshotName, two.snapshotName])
    const three = await third.take()
    await third.release(three, ['third', 'second'])
    expect(await ours(id)).toEqual([three.snapshotName])
    expect(await records(id)).toEqual([`ck.${third.request.archiveId}`])
    await deleted(id)
  })
})

describe.each(Object.keys(acts))('a tenant’s %s', (what) => {
  const perform = acts[what] ?? (async () => undefined)

  it('works while a capture exists, while it is read and with a base present, and changes none of them', async () => {
    const id = await newVolume()
    if (what === 'revert') await snapshotOf(id)
    const first = await archiveOf(id)
    const base = await first.take()
    const rootOfBase = await rootOf(base)
    await first.release(base, ['second'])
    await writeRbd(lab, volumeImage(id), 40 * mib, randomBytes(mib))

    const second = await archiveOf(id)
    const capture = await second.take()
    const root = await rootOf(capture)
    expect(root).not.toBe(rootOfBase)
    expect(await readWhile(capture, async () => perform(id))).toBe(root)
    expect(await rootOf(base)).toBe(rootOfBase)
    await second.release(capture, ['second'])
    expect(await ours(id)).toEqual([capture.snapshotName])

    // and afterwards it is captured as before
    const third = await archiveOf(id)
    const after = await third.take()
    expect(after.sizeBytes).toBe((what === 'extend' ? 2 : 1) * 2 ** 30)
    await third.release(after)
    expect(await ours(id)).toEqual([capture.snapshotName])
    expect(await rootOf(capture)).toBe(root)
  })

  it('works between the capture’s record and its snapshot', async () => {
    const id = await newVolume()
    if (what === 'revert') await snapshotOf(id)
    const deps = depsOf()
    const archive = await archiveOf(id, {
      ...deps,
      imagesOf: (host) => {
        const images = deps.imagesOf(host)
        if (images === undefined) return undefined
        return {
          ...images,
          createSnapshot: async (image, name) => {
            await perform(id)
            return images.createSnapshot(image, name)
          },
        }
      },
    })
    const capture = await archive.take()
    expect(capture.sizeBytes).toBe((what === 'extend' ? 2 : 1) * 2 ** 30)
    await archive.release(capture, ['second'])
    expect(await ours(id)).toEqual([capture.snapshotName])
  })
})

describe('a tenant’s delete', () => {
  it('is complete with a base present', async () => {
    const id = await newVolume()
    const archive = await archiveOf(id)
    await archive.release(await archive.take(), ['second'])
    await deleted(id)
  })

  it('is complete while a capture exists beside a base, and the archive ends without a trace', async () => {
    const id = await newVolume()
    const first = await archiveOf(id)
    await first.release(await first.take(), ['second'])
    const second = await archiveOf(id)
    const capture = await second.take()
    await deleted(id)
    await second.release(capture, ['second'])
    expect(await trashed(id)).toEqual([])
    await expect(rootOf(capture)).rejects.toThrow(CodedError)
  })

  it('is complete while a capture is read; what was read is thrown away', async () => {
    const id = await newVolume()
    const archive = await archiveOf(id)
    const capture = await archive.take()
    await expect(readWhile(capture, async () => deleted(id))).rejects.toMatchObject({ code: 'CK-CAPTURE-LOST' })
    await archive.release(capture)
    expect(await trashed(id)).toEqual([])
  })

  it('between planning and capture leaves nothing to do', async () => {
    const id = await newVolume()
    const archive = await archiveOf(id)
    await deleted(id)
    await expect(archive.take()).rejects.toMatchObject({ code: 'CK-VOLUME-GONE' })
    await archive.release(null)
  })

  it('at the very moment of the capture leaves no image that waits in the trash for us', async () => {
    for (const pauseMs of [0, 150, 300, 450, 600, 800]) {
      const id = await newVolume()
      // with a user that may delete data: with the least rights the rest of it is told, see below
      const archive = await archiveOf(id, depsOf('admin'))
      const taking = archive.take().catch((error: unknown) => error)
      await sleep(pauseMs)
      await payments.deleteVolume(id)
      const taken = await taking
      await archive.release(taken instanceof Error ? null : (taken as Capture))
      await waitFor('the delete', async () =>
        admin.getVolume(id).then(
          () => null,
          () => true,
        ),
      )
      // what the delete left after our first look, the second one after the unclear time finds
      await archive.release(null)
      expect(await listImages(lab, 'prod', 'volumes')).not.toContain(`volume-${id}`)
      expect(await trashed(id)).toEqual([])
    }
  })
})

describe('an image that waits in the trash', () => {
  async function inTrash(): Promise<{ id: string; archive: Archive; capture: Capture; image: string }> {
    const id = await newVolume()
    const archive = await archiveOf(id)
    const capture = await archive.take()
    // as Cinder does when a snapshot appears after it removed those that it knows
    await rbd('trash', 'mv', volumeImage(id))
    await deletedFromCinder(id)
    const [image = ''] = await trashed(id)
    expect(image).not.toBe('')
    return { id, archive, capture, image }
  }

  async function deletedFromCinder(id: string): Promise<void> {
    await payments.deleteVolume(id)
    await waitFor('the delete', async () =>
      admin.getVolume(id).then(
        () => null,
        () => true,
      ),
    )
  }

  it('because of our snapshot is freed, snapshot and image', async () => {
    const { id, archive, capture } = await inTrash()
    await archive.release(capture, [], depsOf('admin'))
    expect(await trashed(id)).toEqual([])
  })

  it('is held by nothing of ours any more where the mover may not delete data, which is told', async () => {
    const { id, archive, capture, image } = await inTrash()
    const told: unknown[] = []
    const log = { ...silentLog, warn: (fields: object) => told.push(fields) } as unknown as MoveDeps['log']
    await archive.release(capture, [], { ...depsOf(), log })
    expect(told).toMatchObject([{ code: 'CK-TRASH-LEFT', volume: id, id: image }])
    expect(JSON.parse(await rbd('snap', 'ls', '--pool', 'volumes', '--image-id', image, '--format', 'json'))).toEqual(
      [],
    )
  })

  it('for another reason is left where it is', async () => {
    const id = await newVolume()
    await rbd('trash', 'mv', volumeImage(id))
    const archive = await archiveOf(id, depsOf(), 120)
    await deletedFromCinder(id)
    await archive.release(null, [], depsOf('admin'))
    expect(await trashed(id)).toHaveLength(1)
  })
})
