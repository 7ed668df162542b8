import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  badRequest,
  connectClient,
  idOf,
  itemNotFound,
  makeVolume,
  overLimit,
  removeAll,
  seen,
  settles,
  uniqueName,
} from './cloud.js'
import type { Client, ConformityCloud } from './cloud.js'

const links = (collection: string): unknown[] => [
  { rel: 'self', href: `<root>/v3/<hex>/${collection}/<uuid>` },
  { rel: 'bookmark', href: `<root>/<hex>/${collection}/<uuid>` },
]

/** Volumes: their forms, lists, refusals, quotas, attachments, transfers. */
export function volumeChecks(open: () => ConformityCloud): void {
  describe('volumes', () => {
    let admin: Client
    let member: Client
    let volume: string
    const name = uniqueName('volume')
    beforeAll(async () => {
      admin = await connectClient(open().admin)
      member = await connectClient(open().member)
      volume = await makeVolume(admin, { name, metadata: { conformity: name } })
    })
    afterAll(async () => {
      await removeAll(admin, [`/volumes/${volume}`])
    })

    it('shows a volume in the form of each microversion', async () => {
      const base = {
        id: '<uuid>',
        status: 'available',
        size: 1,
        availability_zone: 'nova',
        created_at: '<time>',
        updated_at: '<time>',
        name: name.replace(/-[0-9a-f-]{36}$/, '-<uuid>'),
        description: null,
        volume_type: '<type>',
        snapshot_id: null,
        source_volid: null,
        metadata: { conformity: name.replace(/-[0-9a-f-]{36}$/, '-<uuid>') },
        links: links('volumes'),
        user_id: '<hex>',
        bootable: 'false',
        encrypted: false,
        replication_status: null,
        consistencygroup_id: null,
        multiattach: false,
        attachments: [],
        migration_status: null,
        'os-vol-tenant-attr:tenant_id': '<hex>',
        'os-vol-mig-status-attr:migstat': null,
        'os-vol-mig-status-attr:name_id': null,
        'os-vol-host-attr:host': '<pool>',
      }
      expect(seen(await admin.call('GET', `/volumes/${volume}`, undefined, null))).toEqual({
        status: 200,
        body: { volume: base },
      })
      expect(seen(await admin.call('GET', `/volumes/${volume}`, undefined, '3.70'))).toEqual({
        status: 200,
        body: {
          volume: {
            ...base,
            group_id: null,
            provider_id: null,
            shared_targets: false,
            service_uuid: '<uuid>',
            cluster_name: null,
            volume_type_id: '<uuid>',
            consumes_quota: true,
          },
        },
      })
    })

    it('is created with a 202, and is creating before it is available', async () => {
      const answer = await admin.call('POST', '/volumes', { volume: { size: 1 } })
      expect(seen(answer)).toMatchObject({ status: 202, body: { volume: { status: 'creating', name: null } } })
      expect(answer.body).not.toHaveProperty(['volume', 'os-vol-tenant-attr:tenant_id'])
      const path = `/volumes/${idOf(answer)}`
      expect(await settles(admin, path, 'creating')).toBe('available')
      await removeAll(admin, [path])
    })

    it('refuses malformed creates in the words of its schemas', async () => {
      const create = async (fields: object): Promise<unknown> =>
        seen(await admin.call('POST', '/volumes', { volume: fields }))
      expect(await create({ size: 0 })).toEqual(
        badRequest('Invalid input for field/attribute size. Value: 0. 0 is less than the minimum of 1'),
      )
      expect(await create({ size: 1, metadata: { a: 1 } })).toEqual(
        badRequest("Invalid input for field/attribute a. Value: 1. 1 is not of type 'string'"),
      )
      expect(await create({ size: 1, foo: 1 })).toEqual(
        badRequest(
          "Invalid input for field/attribute volume. Value: {'size': 1, 'foo': 1}. Additional properties are not allowed ('foo' was unexpected)",
        ),
      )
      expect(await create({ size: 1, name: 'x'.repeat(256) })).toEqual(
        badRequest('Invalid input received: name has 256 characters, more than 255.'),
      )
    })

    it('merges metadata by POST and removes a key once', async () => {
      const merged = { metadata: { conformity: name, extra: '1' } }
      expect((await admin.call('POST', `/volumes/${volume}/metadata`, { metadata: { extra: '1' } })).body).toEqual(
        merged,
      )
      const answer = await admin.call('GET', `/volumes/${volume}/metadata`)
      // JSON that calls itself a page: a client must not go by the label
      expect(answer.headers.get('content-type')).toMatch(/^text\/html/)
      expect(JSON.parse(answer.body as string)).toEqual(merged)
      expect((await admin.call('DELETE', `/volumes/${volume}/metadata/extra`)).status).toBe(200)
      expect(seen(await admin.call('DELETE', `/volumes/${volume}/metadata/extra`))).toEqual(
        itemNotFound('Volume <uuid> has no metadata with key extra.'),
      )
    })

    it('finds by name and metadata, pages with a link, and says 404 to an unknown marker', async () => {
      const found = async (query: string, version?: string): Promise<unknown> =>
        (await admin.call('GET', `/volumes?${query}`, undefined, version)).body
      const mine = { volumes: [{ id: volume }] }
      expect(await found(`name=${name}`)).toMatchObject(mine)
      expect(await found(`name~=${name.slice(-20)}`, '3.34')).toMatchObject(mine)
      expect(await found(`metadata=${encodeURIComponent(JSON.stringify({ conformity: name }))}`)).toMatchObject(mine)
      expect(await found('nonsense=1')).toEqual({ volumes: [] })
      expect(await found(`name=${name}&limit=1`)).toMatchObject({
        volumes_links: [{ rel: 'next', href: expect.stringContaining(`marker=${volume}`) as string }],
      })
      expect(await found(`name=${name}&limit=1&marker=${volume}`)).toEqual({ volumes: [] })
      expect(seen(await admin.call('GET', '/volumes?marker=00000000-0000-4000-8000-000000000000'))).toEqual(
        itemNotFound('Volume <uuid> could not be found.'),
      )
      expect(seen(await member.call('GET', '/volumes?nonsense=1'))).toEqual(
        badRequest('Invalid filters nonsense are found in query options.'),
      )
    })

    it('hides a volume from other projects', async () => {
      expect((await member.call('GET', `/volumes/${volume}`)).status).toBe(404)
      expect(await member.call('GET', `/volumes?name=${name}&all_tenants=1`)).toMatchObject({ body: { volumes: [] } })
    })

    it('grows, and never shrinks', async () => {
      const act = (size: number) => admin.call('POST', `/volumes/${volume}/action`, { 'os-extend': { new_size: size } })
      expect((await act(2)).status).toBe(202)
      expect(await settles(admin, `/volumes/${volume}`, 'extending')).toBe('available')
      expect(seen(await act(1))).toEqual(
        badRequest(
          'Invalid input received: New size for extend must be greater than current size. (current: 2, extended: 1).',
        ),
      )
    })

    it('is held by an attachment without a connector, which blocks a delete', async () => {
      const body = { attachment: { volume_uuid: volume } }
      const attachment = idOf(await admin.call('POST', '/attachments', body, '3.54'))
      expect(await settles(admin, `/volumes/${volume}`)).toBe('reserved')
      expect((await admin.call('DELETE', `/volumes/${volume}`)).status).toBe(400)
      expect(seen(await admin.call('POST', '/attachments', body, '3.54'))).toEqual(
        badRequest(
          'Invalid volume: Volume <uuid> status must be available or downloading to reserve, but the current status is reserved.',
        ),
      )
      expect((await admin.call('DELETE', `/attachments/${attachment}`)).body).toEqual({ attachments: [] })
      expect(await settles(admin, `/volumes/${volume}`)).toBe('available')
    })

    it('changes its owner by a transfer that the other accepts', async () => {
      const path = `/volumes/${await makeVolume(admin)}`
      const offer = await admin.call('POST', '/volume-transfers', { transfer: { volume_id: path.slice(9) } }, '3.55')
      expect(offer.status).toBe(202)
      expect(await settles(admin, path)).toBe('awaiting-transfer')
      const { auth_key: key } = (offer.body as { transfer: { auth_key: string } }).transfer
      const accept = (auth: string) =>
        member.call('POST', `/volume-transfers/${idOf(offer)}/accept`, { accept: { auth_key: auth } }, '3.55')
      expect((await accept('wrong')).status).toBe(400)
      expect((await accept(key)).status).toBe(202)
      expect(await member.call('GET', path)).toMatchObject({
        body: { volume: { status: 'available', 'os-vol-tenant-attr:tenant_id': member.projectId } },
      })
      await removeAll(member, [path])
    })

    it('is refused beyond the quota with a 413 that says Retry-After: 0', async () => {
      const path = `/os-quota-sets/${member.projectId}`
      const before = (await admin.call('GET', path)).body as { quota_set: Record<string, number> }
      try {
        await admin.call('PUT', path, { quota_set: { volumes: 0 } })
        const answer = await member.call('POST', '/volumes', { volume: { size: 1 } })
        expect(seen(answer)).toEqual(
          overLimit("VolumeLimitExceeded: Maximum number of volumes allowed (0) exceeded for quota 'volumes'."),
        )
        expect(answer.headers.get('retry-after')).toBe('0')
        expect(await member.call('GET', '/limits')).toMatchObject({
          body: { limits: { absolute: { maxTotalVolumes: 0 } } },
        })
      } finally {
        await admin.call('PUT', path, { quota_set: { volumes: before.quota_set['volumes'] } })
      }
    })

    it('has its status reset by an admin alone', async () => {
      const act = (client: Client, status: string) =>
        client.call('POST', `/volumes/${volume}/action`, { 'os-reset_status': { status } })
      expect((await act(admin, 'error')).status).toBe(202)
      expect(await settles(admin, `/volumes/${volume}`)).toBe('error')
      expect((await act(member, 'available')).status).toBe(404)
      await act(admin, 'available')
    })
  })
}
