import { describe, expect, it } from 'vitest'
import type { Sandbox } from '../../sandbox/sandbox.js'
import type { ServerRecord } from '../../sandbox/state.js'
import { connectClient, makeVolume, request } from '../cloud-conformity/cloud.js'
import type { Answer, Client } from '../cloud-conformity/cloud.js'
import { withSandbox } from './with-sandbox.js'

type Properties = Record<string, string>
const required: Properties = { hw_qemu_guest_agent: 'yes', os_require_quiesce: 'yes' }

/** A server that boots from a volume with these image properties, and has another volume. */
async function bootedFrom(sandbox: Sandbox, admin: Client, properties: Properties): Promise<ServerRecord> {
  const volumes = [await makeVolume(admin), await makeVolume(admin)]
  const boot = { 'os-set_image_metadata': { metadata: properties } }
  await admin.call('POST', `/volumes/${volumes[0] ?? ''}/action`, boot)
  return sandbox.addServer({ name: 'db', projectId: admin.projectId, userId: 'somebody', volumes })
}

const image = async (sandbox: Sandbox, server: ServerRecord, version = '2.45'): Promise<Answer> => {
  // the admin's: the client asked for the only one there is
  const token = [...sandbox.state.tokens.keys()].at(-1) ?? ''
  return request(
    'POST',
    `${sandbox.url}/compute/v2.1/servers/${server.id}/action`,
    { 'X-Auth-Token': token, 'OpenStack-API-Version': `compute ${version}` },
    { createImage: { name: 'img', metadata: { mark: 'ours' } } },
  )
}

const snapshots = (sandbox: Sandbox) => [...sandbox.state.snapshots.values()]

describe('createImage', () => {
  it('freezes, takes all snapshots, thaws, and makes an image without bytes', () =>
    withSandbox({}, async (sandbox, admin) => {
      const server = await bootedFrom(sandbox, admin, required)
      const answer = await image(sandbox, server)
      expect(answer.status).toBe(202)
      const { image_id: id } = answer.body as { image_id: string }
      await sandbox.idle()
      const made = snapshots(sandbox)
      expect(made.map(({ name, frozen }) => [name, frozen])).toEqual([
        ['snapshot for img', true],
        ['snapshot for img', true],
      ])
      expect(made[0]?.writes).toBe(made[1]?.writes)
      expect(server.guest).toMatchObject({ frozen: false, freezes: 1 })
      const shown = (await admin.call('GET', `${sandbox.url}/image/v2/images/${id}`, undefined, null))
        .body as Properties
      expect(shown).toMatchObject({ name: 'img', size: 0, mark: 'ours', ...required })
      const mapping = JSON.parse(shown['block_device_mapping'] ?? '') as { snapshot_id: string }[]
      expect(mapping.map((one) => one.snapshot_id)).toEqual(made.map((one) => one.id))
      // what links them on the bus is Nova's request id, and Nova itself says nothing
      const ids = sandbox.notifier.published
        .filter(({ eventType }) => eventType === 'snapshot.create.end')
        .map(({ globalRequestId }) => globalRequestId)
      expect(new Set([...ids, answer.headers.get('x-openstack-request-id')]).size).toBe(1)
      expect(sandbox.notifier.published.filter(({ exchange }) => exchange === sandbox.novaExchange)).toEqual([])
      const listed = await admin.call('GET', `${sandbox.url}/image/v2/images?name=img`, undefined, null)
      expect(listed.body).toMatchObject({ images: [{ id }] })
      expect((await admin.call('DELETE', `${sandbox.url}/image/v2/images/${id}`, undefined, null)).status).toBe(204)
      expect(sandbox.state.images.size).toBe(0)
      expect(snapshots(sandbox)).toHaveLength(2)
    }))

  it('answers 500 and takes nothing when a freeze that is required fails, and tells it on the bus', () =>
    withSandbox({}, async (sandbox, admin) => {
      const server = await bootedFrom(sandbox, admin, required)
      server.guest.agent = 'absent'
      expect((await image(sandbox, server)).status).toBe(500)
      expect([sandbox.state.snapshots.size, sandbox.state.images.size]).toEqual([0, 0])
      expect(sandbox.notifier.published.at(-1)).toMatchObject({
        exchange: sandbox.novaExchange,
        ...{ routingKey: 'notifications.error', eventType: 'quiesce_instance', priority: 'ERROR' },
        payload: { args: { instance: { uuid: server.id } } },
      })
    }))

  it('goes on unfrozen without a word where it is not required, and where the server is off', () =>
    withSandbox({}, async (sandbox, admin) => {
      const server = await bootedFrom(sandbox, admin, { hw_qemu_guest_agent: 'yes' })
      server.guest.agent = 'absent'
      expect((await image(sandbox, server)).status).toBe(202)
      await sandbox.idle()
      expect(snapshots(sandbox).map(({ frozen }) => frozen)).toEqual([false, false])
      server.guest.agent = 'present'
      server.status = 'SHUTOFF'
      expect((await image(sandbox, server)).status).toBe(202)
      expect(server.guest.freezes).toBe(0)
    }))

  it('leaves a guest that somebody else froze as it is', () =>
    withSandbox({}, async (sandbox, admin) => {
      const server = await bootedFrom(sandbox, admin, required)
      await request('POST', `${sandbox.url}/_sandbox/guests/${server.id}/freeze`)
      expect((await image(sandbox, server)).status).toBe(500)
      await sandbox.idle()
      expect(server.guest.frozen).toBe(true)
    }))

  it('answers 403 before any freeze when the quota of snapshots has no room', () =>
    withSandbox({}, async (sandbox, admin) => {
      const server = await bootedFrom(sandbox, admin, required)
      await admin.call('PUT', `/os-quota-sets/${admin.projectId}`, { quota_set: { snapshots: 1 } })
      expect(await image(sandbox, server)).toMatchObject({ status: 403, body: { forbidden: { code: 403 } } })
      expect(server.guest.freezes).toBe(0)
    }))

  it('leaves the snapshots it made and no image when a later step fails, and thaws', () =>
    withSandbox({}, async (sandbox, admin) => {
      const server = await bootedFrom(sandbox, admin, required)
      sandbox.faults.add({ kind: 'fail', work: 'image.snapshot', nth: 2 })
      expect((await image(sandbox, server)).status).toBe(500)
      sandbox.faults.add({ kind: 'fail', work: 'image.create' })
      await sandbox.idle()
      expect((await image(sandbox, server)).status).toBe(500)
      await sandbox.idle()
      expect([sandbox.state.snapshots.size, sandbox.state.images.size]).toEqual([3, 0])
      expect(server.guest.frozen).toBe(false)
    }))

  it('leaves the guest frozen when nova-api or the thaw dies', () =>
    withSandbox({}, async (sandbox, admin) => {
      const server = await bootedFrom(sandbox, admin, required)
      sandbox.faults.add({ kind: 'stuck', work: 'image.snapshot', nth: 2 })
      expect((await image(sandbox, server)).status).toBe(504)
      await sandbox.idle()
      expect(server.guest.frozen).toBe(true)
    }))

  it('of a freeze that hangs is a 500, and the guest may freeze later', () =>
    withSandbox({}, async (sandbox, admin) => {
      const server = await bootedFrom(sandbox, admin, required)
      server.guest.freeze = 'hangs'
      expect((await image(sandbox, server)).status).toBe(500)
      await sandbox.idle()
      server.guest.freeze = 'works'
      await expect.poll(() => server.guest.frozen).toBe(true)
    }))

  it('names the image in a header before 2.45', () =>
    withSandbox({}, async (sandbox, admin) => {
      const server = await bootedFrom(sandbox, admin, {})
      const answer = await image(sandbox, server, '2.1')
      expect(answer.headers.get('location')).toMatch(/\/image\/v2\/images\/[0-9a-f-]{36}$/)
      expect((await image(sandbox, server, '2.94')).status).toBe(406)
    }))
})

describe('a server that boots from volumes', () => {
  it('is made, shows its volumes, and tells what becomes of it', () =>
    withSandbox({}, async (sandbox) => {
      const tenant = await connectClient(sandbox.envOf('payments'))
      const [boot, data] = [await makeVolume(tenant), await makeVolume(tenant)]
      const device = (uuid: string, index: number | null) => ({
        ...{ uuid, boot_index: index, source_type: 'volume', destination_type: 'volume' },
      })
      await tenant.call('POST', `/volumes/${boot}/action`, { 'os-set_image_metadata': { metadata: required } })
      const body = {
        server: {
          name: 'web',
          flavorRef: 'tiny',
          networks: 'none',
          block_device_mapping_v2: [device(data, null), device(boot, 0)],
        },
      }
      const compute = `${sandbox.url}/compute/v2.1/servers`
      const { server } = (await tenant.call('POST', compute, body, null)).body as { server: { id: string } }
      await sandbox.idle()
      const shown = await tenant.call('GET', `${compute}/${server.id}`, undefined, null)
      expect(shown.body).toMatchObject({ server: { status: 'ACTIVE', image: '' } })
      expect(shown.body).not.toHaveProperty(['server', 'OS-EXT-SRV-ATTR:hypervisor_hostname'])
      expect(sandbox.state.servers.get(server.id)).toMatchObject({ rootVolumeId: boot, imageProperties: required })
      expect((await tenant.call('DELETE', `${compute}/${server.id}`, undefined, null)).status).toBe(204)
      const told = sandbox.notifier.published.filter(({ exchange }) => exchange === sandbox.novaExchange)
      expect(
        told.map(({ eventType, payload }) => [eventType.replace('compute.instance.', ''), payload['state']]),
      ).toEqual([
        ['create.start', 'building'],
        ['create.end', 'active'],
        ['delete.start', 'active'],
        ['shutdown.start', 'active'],
        ['shutdown.end', 'active'],
        ['delete.end', 'deleted'],
      ])
      expect(told.at(-1)?.payload).toMatchObject({ instance_id: server.id, deleted_at: expect.any(String) as string })
    }))
})
