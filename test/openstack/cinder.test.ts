import { describe, expect, it } from 'vitest'
import { cinder } from '../../openstack/cinder.js'
import { keystone } from '../../openstack/keystone.js'
import { nova } from '../../openstack/nova.js'
import { sendJson } from '../helpers/with-http.js'
import { fakeCloud, projectId, type Service } from './fake-cloud.js'

/** As `GET /volumes/{id}` of Zed, where everything that may be missing is. */
const bareVolume = (id: string, change: object = {}) => ({
  id,
  name: null,
  description: null,
  status: 'available',
  size: 1,
  metadata: null,
  volume_image_metadata: null,
  created_at: '2026-11-23T11:38:12.000000',
  bootable: 'false',
  'os-vol-tenant-attr:tenant_id': 'p1',
  attachments: null,
  something_new: { of: ['a', 'later', 'release'] },
  ...change,
})

const backup = (id: string, change: object = {}) => ({
  id,
  name: `b-${id}`,
  status: 'available',
  volume_id: 'v1',
  size: 1,
  is_incremental: false,
  has_dependent_backups: false,
  created_at: '2026-11-23T11:38:12.000000',
  metadata: { 'ck:0': '{}' },
  ...change,
})

const serve =
  (answers: Record<string, unknown>): Service =>
  ({ method, path }, response) => {
    const body = answers[`${method} ${path}`]
    if (body === undefined) sendJson(response, 404, { itemNotFound: { code: 404, message: `${path} not found` } })
    else sendJson(response, 200, body)
  }

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const result: T[] = []
  for await (const item of items) result.push(item)
  return result
}

describe('a volume', () => {
  it('is understood with nulls, missing and unknown fields', async () => {
    const cloud = await fakeCloud(serve({ 'GET /volumes/v1': { volume: bareVolume('v1') } }))
    expect(await cinder(cloud.connect()).getVolume('v1')).toEqual({
      id: 'v1',
      name: '',
      description: null,
      status: 'available',
      sizeGib: 1,
      projectId: 'p1',
      userId: null,
      host: null,
      nameId: null,
      migrationStatus: null,
      type: null,
      availabilityZone: null,
      bootable: false,
      multiattach: false,
      encrypted: false,
      encryptionKeyId: null,
      snapshotId: null,
      sourceVolumeId: null,
      createdAt: '2026-11-23T11:38:12.000000Z',
      updatedAt: null,
      metadata: {},
      imageMetadata: {},
      attachments: [],
    })
  })

  it('is understood with all that an admin sees', async () => {
    const full = bareVolume('v1', {
      name: 'db',
      bootable: 'true',
      multiattach: true,
      encrypted: true,
      encryption_key_id: 'k1',
      'os-vol-host-attr:host': 'lab@ceph#ceph',
      'os-vol-mig-status-attr:name_id': 'n1',
      'os-vol-mig-status-attr:migstat': 'migrating',
      metadata: { archive: 'gold', n: 7 },
      attachments: [{ id: 'v1', attachment_id: 'a1', server_id: 's1', host_name: null, device: '/dev/vdb' }],
    })
    const cloud = await fakeCloud(serve({ 'GET /volumes/v1': { volume: full } }))
    expect(await cinder(cloud.connect()).getVolume('v1')).toMatchObject({
      name: 'db',
      bootable: true,
      multiattach: true,
      encrypted: true,
      encryptionKeyId: 'k1',
      host: 'lab@ceph#ceph',
      nameId: 'n1',
      migrationStatus: 'migrating',
      metadata: { archive: 'gold', n: '7' },
      attachments: [{ attachmentId: 'a1', serverId: 's1', hostName: null, device: '/dev/vdb' }],
    })
  })

  it.each(['id', 'status', 'size', 'os-vol-tenant-attr:tenant_id', 'created_at'])(
    'without %s is refused with the place and not the values',
    async (field) => {
      const cloud = await fakeCloud(serve({ 'GET /volumes/v1': { volume: bareVolume('v1', { [field]: undefined }) } }))
      const error = await cloud.failure(cinder(cloud.connect()).getVolume('v1'))
      expect(error.code).toBe('CK-CLOUD-ANSWER-INVALID')
      expect(error.message).toContain(`volume.${field}: `)
      expect(error.message).not.toContain('a later')
    },
  )

  it("is gone only when Cinder says so in its own words, never at a proxy's 404", async () => {
    const gone = await fakeCloud(serve({}))
    expect((await gone.failure(cinder(gone.connect()).getVolume('v1'))).code).toBe('CK-VOLUME-GONE')
    expect((await gone.failure(cinder(gone.connect()).getSnapshot('s1'))).code).toBe('CK-SNAPSHOT-GONE')
    expect((await gone.failure(cinder(gone.connect()).getBackup('b1'))).code).toBe('CK-BACKUP-GONE')
    await cinder(gone.connect()).deleteVolume('v1')
    await cinder(gone.connect()).deleteSnapshot('s1')
    await cinder(gone.connect()).deleteBackup('b1')
    const proxy = await fakeCloud((_received, response) => {
      response.writeHead(404).end('<h1>404 page not found</h1>')
    })
    expect((await proxy.failure(cinder(proxy.connect()).getVolume('v1'))).code).toBe('CK-CLOUD-NOT-FOUND')
    expect((await proxy.failure(cinder(proxy.connect()).deleteVolume('v1'))).code).toBe('CK-CLOUD-NOT-FOUND')
    expect((await proxy.failure(cinder(proxy.connect()).deleteBackup('b1'))).code).toBe('CK-CLOUD-NOT-FOUND')
  })

  it('that is created from a missing snapshot, or of a missing type, tells the two apart', async () => {
    const says = (message: string): Service => {
      return (_received, response) => {
        sendJson(response, 404, { itemNotFound: { code: 404, message } })
      }
    }
    const wanted = { name: 'ck-1', sizeGib: 1, snapshotId: 's1', type: 'gold' }
    const snapshot = await fakeCloud(says('Snapshot s1 could not be found.'))
    expect((await snapshot.failure(cinder(snapshot.connect()).createVolume(wanted))).code).toBe('CK-SNAPSHOT-GONE')
    const type = await fakeCloud(says('Volume type with name gold could not be found.'))
    expect((await type.failure(cinder(type.connect()).createVolume(wanted))).code).toBe('CK-CLOUD-NOT-FOUND')
  })

  it('that was just created belongs to our project', async () => {
    const created = bareVolume('v2', { 'os-vol-tenant-attr:tenant_id': undefined, status: 'creating' })
    const cloud = await fakeCloud(serve({ 'POST /volumes': { volume: created } }))
    const volume = await cinder(cloud.connect()).createVolume({ name: 'ck-1', sizeGib: 3, metadata: { a: 'b' } })
    expect(volume).toMatchObject({ id: 'v2', projectId, status: 'creating' })
    expect(cloud.calls[0]?.body).toEqual({ volume: { name: 'ck-1', size: 3, metadata: { a: 'b' } } })
  })
})

describe('a backup', () => {
  it('that was created is read back, since the answer holds its id alone', async () => {
    const cloud = await fakeCloud(
      serve({ 'POST /backups': { backup: { id: 'b1', links: [] } }, 'GET /backups/b1': { backup: backup('b1') } }),
    )
    const made = await cinder(cloud.connect()).createBackup({ volumeId: 'v1', name: 'ck-1', metadata: { 'ck:0': 'x' } })
    expect(made).toMatchObject({ id: 'b1', status: 'available', metadata: { 'ck:0': '{}' } })
    expect(cloud.calls[0]?.body).toEqual({
      backup: { volume_id: 'v1', name: 'ck-1', incremental: false, force: false, metadata: { 'ck:0': 'x' } },
    })
  })

  it.each(['is_incremental', 'has_dependent_backups', 'volume_id', 'size'])('without %s is refused', async (field) => {
    const cloud = await fakeCloud(serve({ 'GET /backups/b1': { backup: backup('b1', { [field]: undefined }) } }))
    const error = await cloud.failure(cinder(cloud.connect()).getBackup('b1'))
    expect(error.code).toBe('CK-CLOUD-ANSWER-INVALID')
    expect(error.message).toContain(`backup.${field}`)
  })

  it('that would be restored into another volume than the one asked for is refused', async () => {
    const answer = { restore: { backup_id: 'b1', volume_id: 'v9', volume_name: 'x' } }
    const cloud = await fakeCloud(serve({ 'POST /backups/b1/restore': answer }))
    const error = await cloud.failure(cinder(cloud.connect()).restoreBackup('b1', 'v1'))
    expect(error.code).toBe('CK-CLOUD-ANSWER-INVALID')
    expect(cloud.calls[0]?.body).toEqual({ restore: { volume_id: 'v1' } })
  })
})

describe('a list', () => {
  const ids = Array.from({ length: 1203 }, (_, at) => `v${at}`)

  /** Pages like Cinder; `known` are the volumes there now. */
  const paging = (known: string[], links = true): Service => {
    return ({ query }, response) => {
      const limit = Number(query.get('limit'))
      const marker = query.get('marker')
      if (marker !== null && !known.includes(marker)) {
        sendJson(response, 404, { itemNotFound: { code: 404, message: `Volume ${marker} could not be found.` } })
        return
      }
      const from = marker === null ? 0 : known.indexOf(marker) + 1
      const page = known.slice(from, from + limit)
      const next = { volumes_links: [{ rel: 'next', href: 'http://wrong-host/v3/volumes' }] }
      sendJson(response, 200, {
        volumes: page.map((id) => bareVolume(id)),
        ...(links && page.length === limit ? next : {}),
      })
    }
  }

  it.each([true, false])('is read to its end, page by page, with links: %s', async (links) => {
    const cloud = await fakeCloud(paging(ids, links))
    const found = await all(cinder(cloud.connect()).listVolumes({ allProjects: true }))
    expect(found.map((volume) => volume.id)).toEqual(ids)
    expect(cloud.calls).toHaveLength(3)
    expect(cloud.calls[0]?.query.get('all_tenants')).toBe('1')
  })

  it("follows next below our own page size, where the server's is smaller", async () => {
    const few = ids.slice(0, 25)
    const small = paging(few)
    const cloud = await fakeCloud((received, response, count) => {
      received.query.set('limit', '10')
      return small(received, response, count)
    })
    expect(await all(cinder(cloud.connect()).listVolumes())).toHaveLength(25)
  })

  it('goes on when the volume that marks the place is deleted meanwhile', async () => {
    const known = [...ids]
    const cloud = await fakeCloud(paging(known))
    const seen: string[] = []
    for await (const volume of cinder(cloud.connect()).listVolumes()) {
      seen.push(volume.id)
      if (volume.id === 'v499') known.splice(497, 3)
    }
    expect(seen).toEqual(ids)
  })

  it('does not go round for ever when the server ignores the marker', async () => {
    const cloud = await fakeCloud((received, response, count) => {
      received.query.delete('marker')
      return paging(ids)(received, response, count)
    })
    const error = await cloud.failure(all(cinder(cloud.connect()).listVolumes()))
    expect(error.code).toBe('CK-CLOUD-ANSWER-INVALID')
    expect(cloud.calls).toHaveLength(2)
  })

  it('holds only what was asked for, also where the cloud ignores the filter', async () => {
    const volumes = [
      bareVolume('v1', { name: 'ck-1', metadata: { a: '1' } }),
      bareVolume('v2', { name: 'ck-10', metadata: { a: '1' } }),
      bareVolume('v3', { name: 'ck-1', metadata: { a: '2' } }),
    ]
    const backups = [backup('b1'), backup('b2', { volume_id: 'v2' }), backup('b3', { name: 'mine' })]
    const cloud = await fakeCloud(serve({ 'GET /volumes/detail': { volumes }, 'GET /backups/detail': { backups } }))
    const client = cinder(cloud.connect())
    const found = await all(client.listVolumes({ name: 'ck-1', metadata: { a: '1' } }))
    expect(found.map((volume) => volume.id)).toEqual(['v1'])
    expect(cloud.calls[0]?.query.get('metadata')).toBe('{"a":"1"}')
    const like = await all(client.listBackups({ nameLike: 'b-', volumeId: 'v1' }))
    expect(like.map((one) => one.id)).toEqual(['b1'])
    expect(cloud.calls[1]?.query.get('name~')).toBe('b-')
  })
})

describe('Keystone', () => {
  it('is asked for a name once in five minutes', async () => {
    let now = 0
    const cloud = await fakeCloud(serve({ 'GET /projects/p1': { project: { id: 'p1', name: 'payments' } } }))
    const client = keystone(cloud.connect(), () => now)
    expect([await client.projectName('p1'), await client.projectName('p1')]).toEqual(['payments', 'payments'])
    expect(cloud.calls).toHaveLength(1)
    now = 300_001
    await client.projectName('p1')
    expect(cloud.calls).toHaveLength(2)
  })

  it('that forbids a look is no error but null; one that fails is an error, and asked again', async () => {
    let status = 503
    const cloud = await fakeCloud((_received, response) => {
      sendJson(response, status, { error: { code: status, message: 'no' } })
    })
    const client = keystone(cloud.connect())
    expect((await cloud.failure(client.projectName('p1'))).code).toBe('CK-CLOUD-UNAVAILABLE')
    status = 403
    expect(await client.projectName('p1')).toBeNull()
    expect(await client.listProjects()).toBeNull()
  })

  it('that cuts its list of projects short is refused', async () => {
    const cloud = await fakeCloud(serve({ 'GET /projects': { projects: [], truncated: true } }))
    expect((await cloud.failure(keystone(cloud.connect()).listProjects())).message).toContain('cut short')
  })
})

describe('Nova', () => {
  it('shows a server, its host and its volumes', async () => {
    const server = {
      id: 's1',
      name: 'web',
      status: 'ACTIVE',
      image: '',
      'OS-EXT-SRV-ATTR:hypervisor_hostname': 'hv1',
      'os-extended-volumes:volumes_attached': [{ id: 'v1', delete_on_termination: false }, { id: 'v2' }],
    }
    const cloud = await fakeCloud(serve({ 'GET /servers/s1': { server } }))
    const client = nova(cloud.connect())
    expect(await client.getServer('s1')).toEqual({
      id: 's1',
      name: 'web',
      status: 'ACTIVE',
      hypervisorHost: 'hv1',
      volumeIds: ['v1', 'v2'],
      isVolumeBacked: true,
      task: null,
    })
    expect((await cloud.failure(client.getServer('s2'))).code).toBe('CK-SERVER-GONE')
  })
})
