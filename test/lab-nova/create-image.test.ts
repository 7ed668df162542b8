/** When Nova's createImage freezes a server's filesystems, and when nobody does. */
import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { isCloudError } from '../../openstack/errors.js'
import { labCloud, listOf, waitFor, type LabCloud } from '../helpers/lab-cloud.js'
import { createImage, deleteImage, snapshotsOfImage } from './helpers/create-image.js'
import { lookAt, rbdSnapshotOf, type Look } from './helpers/filesystem.js'
import { newGuest, removeGuest, type Guest } from './helpers/guest.js'
import { labWithServers } from './helpers/lab-servers.js'
import { freezeStatus } from './helpers/virsh.js'

const lab = labWithServers()
const name = `create-image-${randomUUID()}`
let cloud: LabCloud
let quiescing: Guest
let agentless: Guest
let plain: Guest

beforeAll(async () => {
  cloud = await labCloud(lab, lab.os)
  ;[quiescing, agentless, plain] = await Promise.all([
    newGuest(lab, cloud, { name: `${name}-quiescing` }),
    newGuest(lab, cloud, { name: `${name}-agentless`, volumes: 1, agent: false }),
    newGuest(lab, cloud, { name: `${name}-plain`, volumes: 1, properties: {} }),
  ])
})
afterAll(async () => {
  await Promise.all([quiescing, agentless, plain].map(async (guest) => removeGuest(cloud, guest)))
  cloud.session.close()
})

/** What snapshots of Cinder's hold; `ids` in the order of the guest's volumes. */
async function lookAll(guest: Guest, ids: string[]): Promise<Look[]> {
  const looks: Look[] = []
  for (const [i, id] of ids.entries()) {
    await waitFor(`snapshot ${id}`, async () => ((await cloud.getSnapshot(id)).status === 'available' ? true : null))
    looks.push(await lookAt(lab, guest.volumeIds[i] ?? '', rbdSnapshotOf(id)))
  }
  return looks
}

async function imageOf(guest: Guest): Promise<{ snapshots: string[]; looks: Look[] }> {
  const imageId = await createImage(cloud, guest.serverId, name)
  const snapshots = await snapshotsOfImage(lab, imageId)
  const looks = await lookAll(guest, snapshots)
  await deleteImage(lab, imageId)
  return { snapshots, looks }
}

describe('createImage', () => {
  it('freezes a server whose volume asks for it: its snapshots need no recovery and are of one point', async () => {
    const { snapshots, looks } = await imageOf(quiescing)
    const owners = await Promise.all(snapshots.map(async (id) => (await cloud.getSnapshot(id)).volumeId))
    expect(owners).toEqual(quiescing.volumeIds)
    expect(looks.map(({ needsRecovery, asItLies: { nuls } }) => ({ needsRecovery, nuls }))).toEqual([
      { needsRecovery: false, nuls: 0 },
      { needsRecovery: false, nuls: 0 },
    ])
    const points = looks.flatMap(({ asItLies: { counter, applog } }) => [counter ?? Number.NaN, applog ?? Number.NaN])
    expect(Math.max(...points) - Math.min(...points)).toBeLessThanOrEqual(1)
    // Nova only casts the thaw
    await expect.poll(() => freezeStatus(lab, quiescing.domain), { timeout: 60_000 }).toBe('thawed')
  })

  it('is refused, and takes no snapshot, where the volume asks for it and no agent answers', async () => {
    const refusal = await createImage(cloud, agentless.serverId, name).catch((error: unknown) => error)
    expect(isCloudError(refusal) && refusal.status).toBe(500)
    const taken = await Promise.all(agentless.volumeIds.map((volumeId) => listOf(cloud.listSnapshots({ volumeId }))))
    expect(taken.flat()).toEqual([])
  })

  it('freezes nothing where the volume does not ask for it, and says nothing of it', async () => {
    const { looks } = await imageOf(plain)
    expect(looks.map(({ needsRecovery }) => needsRecovery)).toEqual([true])
  })
})

describe('snapshots asked of Cinder', () => {
  it('are never frozen, whatever the volume asks for', async () => {
    const ids: string[] = []
    for (const volumeId of quiescing.volumeIds)
      ids.push((await cloud.createSnapshot({ volumeId, name, force: true })).id)
    const looks = await lookAll(quiescing, ids)
    expect(looks.map(({ needsRecovery }) => needsRecovery)).toEqual([true, true])
  })
})
