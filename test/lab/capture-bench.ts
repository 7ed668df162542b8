/** Captures by RBD snapshots on a real Cinder and a real Ceph, as archives take and release them, and what tenants do. */
import { execFile } from 'node:child_process'
import { randomBytes, randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect } from 'vitest'
import { z } from 'zod'
import type { MoveDeps } from '../../activities/move-activities.js'
import { releaseCapture } from '../../activities/release-capture.js'
import { takeCapture, type CaptureRequest } from '../../activities/take-capture.js'
import { openVolumeImages } from '../../activities/volume-images.js'
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
export const lab = labEnvironment()
export const mib = 2 ** 20
const pools = { pool: 'volumes', parents: ['images'] }
let scratch: string
const mark = `capture-${randomUUID().slice(0, 8)}`
export let admin: LabCloud
export let payments: LabCloud
let research: LabCloud
let typeId: string
const volumes: string[] = []

/** With the least rights that docs/ceph.md names. @param trash with a user who may delete images, too */
export function depsOf(trash: 'trash' | null = null): MoveDeps {
  const keyring = join(scratch, 'keyring')
  const identity = { user: mark, keyring, ...(trash !== null && { trash: { user: 'admin' } }) }
  const entry = { match: '*@ceph#*', kind: 'rbd', conf: lab.cephConf.prod, ...pools, ...identity }
  const options = sourcesOptions.parse([entry])
  const target = { name: 'second', kind: 'ceph', reads: 'source' } as unknown as Target
  return {
    ...{ installation, cinder: admin, log: silentLog, throttles: { targets: new Map() } },
    sources: openSources(options),
    imagesOf: openVolumeImages(options),
    serverStatus: async () => null,
    targets: new Map([
      ['second', target],
      ['third', target],
    ]),
  }
}
const installation = randomUUID()

export async function newVolume(): Promise<string> {
  const { id } = await payments.createVolume({ name: mark, sizeGib: 1 })
  volumes.push(id)
  await volumeIs(admin, id, 'available')
  for (const at of [0, 300]) await writeRbd(lab, volumeImage(id), at * mib, randomBytes(4 * mib))
  return id
}

export interface Archive {
  request: CaptureRequest & { capturedBy: CapturedBy }
  take: () => Promise<Capture>
  release: (capture: Capture | null, bases?: string[], deps?: MoveDeps) => Promise<void>
}

/** As an archive does it, under names that are known before. */
export async function archiveOf(volumeId: string, deps = depsOf(), laterSeconds = 0): Promise<Archive> {
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

export async function rootOf(capture: Capture): Promise<string> {
  return (await hashBytes(await openCapture(capture))).rootHash
}

const trashAnswer = z.array(z.object({ id: z.string(), name: z.string() }))
export async function trashed(volumeId: string): Promise<string[]> {
  const args = ['-c', lab.cephConf.prod, 'trash', 'ls', '--all', 'volumes', '--format', 'json']
  const all = trashAnswer.parse(JSON.parse((await run('rbd', args)).stdout))
  return all.filter(({ name }) => name === `volume-${volumeId}`).map(({ id }) => id)
}

export async function rbd(...args: string[]): Promise<string> {
  return (await run('rbd', ['-c', lab.cephConf.prod, ...args])).stdout
}

export const ours = async (volumeId: string) =>
  (await listRbdSnapshots(lab, 'prod', volumeImage(volumeId))).filter((name) => name.startsWith('backup.'))

const hasOnlyOurs = async (volumeId: string) =>
  (await listRbdSnapshots(lab, 'prod', volumeImage(volumeId))).every((name) => name.startsWith('backup.'))

export async function records(volumeId: string): Promise<string[]> {
  const answer = await rbd('image-meta', 'list', volumeImage(volumeId), '--format', 'json')
  return Object.keys(answer.trim() === '' ? {} : (JSON.parse(answer) as Record<string, string>))
}

async function act(cloud: LabCloud, volumeId: string, action: unknown, microversion = '3.40'): Promise<void> {
  await cloud.session.request('block-storage', {
    ...{ method: 'POST', path: `/volumes/${volumeId}/action`, json: action },
    microversion: { least: microversion, most: microversion },
  })
}

/** Before all tests. */
export async function begin(): Promise<void> {
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
}

/** After all tests: nothing of them is left in the cloud. */
export async function end(): Promise<void> {
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
}

/** What a tenant may do with a volume at any time; returns when Cinder has done it. */
export const acts: Record<string, (volumeId: string) => Promise<void>> = {
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
export const snapshotsToRevertTo = new Map<string, string[]>()

export async function snapshotOf(volumeId: string): Promise<void> {
  const { id } = await payments.createSnapshot({ volumeId, name: mark, force: true })
  snapshotsToRevertTo.set(volumeId, [id])
  await waitFor('the snapshot', async () => ((await admin.getSnapshot(id)).status === 'available' ? true : null))
}

export async function deleted(volumeId: string): Promise<void> {
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
export async function readWhile(capture: Capture, meanwhile: () => Promise<void>): Promise<string> {
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
