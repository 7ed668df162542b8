import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeAll, describe, expect, it } from 'vitest'
import { cinder, type Cinder, type Snapshot } from '../../openstack/cinder.js'
import { glance, snapshotsOfImage, type Glance } from '../../openstack/glance.js'
import { nova, type Nova } from '../../openstack/nova.js'
import { quiescing, type LabServer, type NovaLab } from './nova-lab.js'

/** What Nova does for an image of a volume-backed server, which `captureByNova` builds upon. */
export function serverImageChecks(open: () => NovaLab): void {
  describe('an image of a volume-backed server', () => {
    let clients: { cinder: Cinder; glance: Glance; nova: Nova }
    const made: { name: string; server: LabServer }[] = []
    beforeAll(() => {
      const { session } = open()
      clients = { cinder: cinder(session), glance: glance(session), nova: nova(session) }
    })
    const left = async (name: string): Promise<Snapshot[]> => {
      const found: Snapshot[] = []
      const filter = { name: `snapshot for ${name}`, allProjects: true }
      for await (const snapshot of clients.cinder.listSnapshots(filter)) found.push(snapshot)
      return found
    }
    afterEach(async () => {
      for (const { name, server } of made.splice(0)) {
        for (const { id } of await clients.glance.ownImages(name)) await clients.glance.deleteImage(id)
        while ((await left(name)).some(({ status }) => status === 'creating')) await sleep(100)
        for (const { id } of await left(name)) await clients.cinder.deleteSnapshot(id)
        while ((await left(name)).length > 0) await sleep(100)
        await open().removeServer(server)
      }
    })
    const begin = async (given: { properties: Record<string, string>; agent: boolean }) => {
      const name = `conformity-${randomUUID()}`
      const server = await open().newServer(given)
      made.push({ name, server })
      return { name, server }
    }

    it('shows a server that boots from a volume, and its volumes', async () => {
      const { server } = await begin({ properties: quiescing, agent: true })
      const shown = await clients.nova.getServer(server.serverId)
      expect(shown).toMatchObject({ status: 'ACTIVE', isVolumeBacked: true, task: null })
      expect(shown.hypervisorHost).not.toBeNull()
      expect(shown.volumeIds.toSorted()).toEqual(server.volumeIds.toSorted())
      const boot = await clients.cinder.getVolume(server.volumeIds[0])
      expect(boot.imageMetadata).toMatchObject(quiescing)
      expect(boot.attachments).toMatchObject([{ serverId: server.serverId, device: '/dev/vda' }])
    })

    it('freezes, takes snapshots of all volumes by the name of the image, and thaws', async () => {
      const { name, server } = await begin({ properties: quiescing, agent: true })
      const metadata = { 'ck:installation': 'conformity', 'ck:purpose': 'capture' }
      const id = await clients.nova.createImage(server.serverId, { name, metadata })
      const images = await clients.glance.ownImages(name)
      expect(images).toMatchObject([{ id, name, status: 'active', properties: { ...quiescing, ...metadata } }])
      const snapshots = await left(name)
      expect(snapshots.map(({ volumeId }) => volumeId).toSorted()).toEqual(server.volumeIds.toSorted())
      const [image] = images
      if (image === undefined) throw new Error('no image')
      expect(image.sizeBytes ?? 0).toBe(0)
      expect(snapshotsOfImage(image)?.toSorted()).toEqual(snapshots.map((one) => one.id).toSorted())
      // the thaw is a cast
      await expect.poll(async () => open().isFrozen(server.serverId), { timeout: 60_000 }).toBe(false)
      await expect
        .poll(async () => (await left(name)).map(({ status }) => status), { timeout: 60_000 })
        .toEqual(['available', 'available'])
      for (const one of snapshots) expect([one.volumeId, await open().wasFrozen(one.id)]).toEqual([one.volumeId, true])
      // Cinder lets its metadata and its name be changed, and the image's end does not touch it
      const [first] = snapshots
      if (first === undefined) throw new Error('no snapshot')
      await clients.cinder.setSnapshotMetadata(first.id, { 'ck:purpose': 'capture' })
      await clients.cinder.updateSnapshot(first.id, { description: 'renamed' })
      await clients.glance.deleteImage(id)
      expect(await clients.glance.ownImages(name)).toEqual([])
      expect(await clients.cinder.getSnapshot(first.id)).toMatchObject({ metadata: { 'ck:purpose': 'capture' } })
    })

    it('is refused with 500 and nothing made where a freeze is required and there is no agent', async () => {
      const { name, server } = await begin({ properties: quiescing, agent: false })
      const asked = clients.nova.createImage(server.serverId, { name, metadata: {} })
      await expect(asked).rejects.toMatchObject({ code: 'CK-CLOUD-ANSWER-LOST', status: 500, fault: 'computeFault' })
      expect([await left(name), await clients.glance.ownImages(name)]).toEqual([[], []])
    })

    it('is made unfrozen without a word where none is required', async () => {
      const { name, server } = await begin({ properties: { hw_qemu_guest_agent: 'yes' }, agent: false })
      await clients.nova.createImage(server.serverId, { name, metadata: {} })
      const [image] = await clients.glance.ownImages(name)
      expect(image?.properties).not.toHaveProperty('os_require_quiesce')
      expect(await left(name)).toHaveLength(2)
    })
  })
}
