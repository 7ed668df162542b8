import { describe, expect, it } from 'vitest'
import type { MicroversionRange } from '../../openstack/microversion.js'
import { sendJson } from '../helpers/with-http.js'
import { endpoint, fakeCloud, password, projectId, type Service } from './fake-cloud.js'

const range: MicroversionRange = { least: '3.43', most: '3.64' }
const volumes = { method: 'GET', path: '/volumes', microversion: range } as const
const ok: Service = (_received, response) => {
  sendJson(response, 200, { volumes: [] })
}

describe('a token', () => {
  it('is asked for once by many requests at the same time, and kept', async () => {
    const cloud = await fakeCloud(ok)
    const session = cloud.connect()
    await Promise.all(Array.from({ length: 10 }, () => session.request('block-storage', volumes)))
    await session.request('block-storage', volumes)
    expect(cloud.tokens).toHaveLength(1)
    expect(cloud.calls).toHaveLength(11)
  })

  it('is not asked for before it is needed', async () => {
    const cloud = await fakeCloud(ok)
    cloud.connect()
    expect(cloud.server.received).toHaveLength(0)
  })

  it('is renewed when less than two minutes of it are left', async () => {
    const cloud = await fakeCloud(ok)
    cloud.tokenSeconds = 119
    const session = cloud.connect()
    await session.request('block-storage', volumes)
    cloud.tokenSeconds = 3600
    await session.request('block-storage', volumes)
    await session.request('block-storage', volumes)
    expect(cloud.tokens).toHaveLength(2)
    expect(cloud.calls.map((call) => call.headers['x-auth-token'])).toEqual([
      cloud.tokens[0],
      cloud.tokens[1],
      cloud.tokens[1],
    ])
  })

  it('is kept while more than two minutes of it are left, whatever our own clock says', async () => {
    const cloud = await fakeCloud(ok)
    cloud.tokenSeconds = 180
    const session = cloud.connect()
    await session.request('block-storage', volumes)
    await session.request('block-storage', volumes)
    expect(cloud.tokens).toHaveLength(1)
  })

  it('that a service refuses is replaced once, and the request, a POST too, goes out again', async () => {
    const cloud = await fakeCloud((_received, response) => {
      sendJson(response, 202, { done: true })
    })
    const session = cloud.connect()
    await session.projectId()
    cloud.refused.add(cloud.tokens[0] ?? '')
    const request = { method: 'POST', path: '/volumes', json: {}, microversion: range } as const
    expect((await session.request('block-storage', request)).body).toEqual({ done: true })
    expect(cloud.tokens).toHaveLength(2)
    expect(cloud.calls).toHaveLength(1)
  })

  it('is asked for once when many requests are refused at the same time', async () => {
    const cloud = await fakeCloud(ok)
    const session = cloud.connect()
    await session.request('block-storage', volumes)
    cloud.refused.add(cloud.tokens[0] ?? '')
    await Promise.all(Array.from({ length: 8 }, () => session.request('block-storage', volumes)))
    expect(cloud.tokens).toHaveLength(2)
  })

  it('that is refused when it is new ends in an error after two tries', async () => {
    const cloud = await fakeCloud((received, response) => {
      sendJson(response, 401, { error: { message: `no ${String(received.headers['x-auth-token'])}` } })
    })
    const error = await cloud.failure(cloud.connect().request('block-storage', volumes))
    expect(error.code).toBe('CK-CLOUD-UNAUTHORIZED')
    expect(error.message).toContain('[secret]')
    expect(cloud.calls).toHaveLength(2)
  })

  it('is asked for again after Keystone failed', async () => {
    const cloud = await fakeCloud(ok)
    cloud.onToken = (_received, response) => {
      sendJson(response, 401, { error: { message: `bad password ${password}` } })
    }
    const session = cloud.connect()
    const error = await cloud.failure(session.projectId())
    expect(error.code).toBe('CK-CLOUD-UNAUTHORIZED')
    expect(error.message).toContain('bad password [secret]')
    expect(error.cure).toContain('password')
    cloud.onToken = undefined
    expect(await session.projectId()).toBe(projectId)
  })

  it('of no project is refused with the key to mend', async () => {
    const cloud = await fakeCloud(ok)
    cloud.onToken = (_received, response) => {
      const body = { token: { expires_at: '2100-01-01T00:00:00Z' } }
      sendJson(response, 201, body, { 'x-subject-token': 'unscoped-token' })
    }
    const error = await cloud.failure(cloud.connect().projectId())
    expect(error).toMatchObject({ code: 'CK-CLOUD-CONFIG' })
    expect(error.message).toContain('project_name')
  })

  it('is asked for with a password, domains and a project', async () => {
    const cloud = await fakeCloud(ok)
    const user = { name: 'bot', domain: { name: 'Robots' } }
    const scope = { project: { name: 'payments' } }
    await cloud.connect({ auth: { method: 'password', user, password, scope } }).projectId()
    expect(cloud.server.received[0]?.body).toEqual({
      auth: {
        identity: { methods: ['password'], password: { user: { ...user, password } } },
        scope: { project: { name: 'payments', domain: { id: 'default' } } },
      },
    })
  })

  it('is asked for with an application credential, by id or by name and user, without a scope', async () => {
    const cloud = await fakeCloud(ok)
    const method = 'application_credential'
    await cloud.connect({ auth: { method, credential: { id: 'ac1' }, secret: password } }).projectId()
    const named = { name: 'ck', user: { id: 'u1' } }
    await cloud.connect({ auth: { method, credential: named, secret: password } }).projectId()
    expect(cloud.server.received.map((one) => one.body)).toEqual([
      { auth: { identity: { methods: [method], [method]: { id: 'ac1', secret: password } } } },
      { auth: { identity: { methods: [method], [method]: { ...named, secret: password } } } },
    ])
  })

  it('is refused for an application credential that does not exist, which Keystone calls 404', async () => {
    const cloud = await fakeCloud(ok)
    cloud.onToken = (_received, response) => {
      sendJson(response, 404, { error: { code: 404, message: 'Could not find Application Credential: ac1.' } })
    }
    const auth = { method: 'application_credential', credential: { id: 'ac1' }, secret: password } as const
    expect((await cloud.failure(cloud.connect({ auth }).projectId())).code).toBe('CK-CLOUD-UNAUTHORIZED')
    const error = await cloud.failure(cloud.connect().projectId())
    expect(error.code).toBe('CK-CLOUD-CONFIG')
    expect(error.message).toContain('auth_url')
  })
})

describe('the catalogue', () => {
  it('is searched by type, region and interface', async () => {
    const cloud = await fakeCloud(ok)
    const { url } = cloud.server
    cloud.catalog = [
      { type: 'volumev2', endpoints: [endpoint(`${url}/old/v2/${projectId}`, 'two', 'internal')] },
      {
        type: 'volumev3',
        endpoints: [
          endpoint(`${url}/wrong`, 'one', 'internal'),
          endpoint(`${url}/wrong`, 'two', 'public'),
          endpoint(`${url}/volume/v3/${projectId}`, 'two', 'internal'),
        ],
      },
    ]
    await cloud.connect({ region: 'two', interface: 'internal' }).request('block-storage', volumes)
    expect(cloud.calls[0]?.path).toBe(`/volume/v3/${projectId}/volumes`)
  })

  it.each([
    ['/volume', 'an address without a version'],
    ['/volume/v3', 'an address without a project'],
    ['/volume/v3/', 'an address with a slash at its end'],
    [`/volume/v2/${projectId}`, "an old version's address"],
  ])('leads to v3 and the project from %s, %s', async (path) => {
    const cloud = await fakeCloud(ok)
    cloud.catalog = [{ type: 'block-storage', endpoints: [endpoint(cloud.server.url + path)] }]
    await cloud.connect().request('block-storage', volumes)
    expect(cloud.calls[0]?.path).toBe(`/volume/v3/${projectId}/volumes`)
  })

  it('gives way to an endpoint override', async () => {
    const cloud = await fakeCloud(ok)
    cloud.catalog = []
    const endpointOverrides = { 'block-storage': `${cloud.server.url}/volume/v3` }
    await cloud.connect({ endpointOverrides }).request('block-storage', volumes)
    expect(cloud.calls).toHaveLength(1)
  })

  it('with several regions is refused until one is named', async () => {
    const cloud = await fakeCloud(ok)
    const { url } = cloud.server
    cloud.catalog = [{ type: 'volumev3', endpoints: [endpoint(`${url}/a`, 'zurich'), endpoint(`${url}/b`, 'geneva')] }]
    const error = await cloud.failure(cloud.connect().request('block-storage', volumes))
    expect(error.code).toBe('CK-CLOUD-CONFIG')
    expect(error.message).toMatch(/region_name.*zurich, geneva/)
  })

  it('without the service says what it has', async () => {
    const cloud = await fakeCloud(ok)
    cloud.catalog = [{ type: 'volumev3', endpoints: [endpoint(cloud.server.url, 'zurich', 'admin')] }]
    const error = await cloud.failure(cloud.connect({ region: 'geneva' }).request('block-storage', volumes))
    expect(error.code).toBe('CK-CLOUD-CONFIG')
    expect(error.message).toContain(
      'no public endpoint of block-storage in region geneva; it has volumev3 admin in zurich',
    )
  })
})

describe('the microversion', () => {
  it('is the highest that both sides know, asked for once', async () => {
    const cloud = await fakeCloud(ok)
    cloud.microversions = { min_version: '3.0', version: '3.50' }
    const session = cloud.connect()
    await Promise.all([session.request('block-storage', volumes), session.request('block-storage', volumes)])
    await session.request('block-storage', volumes)
    expect(cloud.calls.map((call) => call.headers['openstack-api-version'])).toEqual(Array(3).fill('volume 3.50'))
    expect(cloud.server.received.filter((one) => one.path === '/volume/v3/')).toHaveLength(1)
  })

  it('stays at what we know when the cloud is newer', async () => {
    const cloud = await fakeCloud(ok)
    cloud.microversions = { min_version: '3.0', version: '3.164' }
    await cloud.connect().request('block-storage', volumes)
    expect(cloud.calls[0]?.headers['openstack-api-version']).toBe('volume 3.64')
  })

  it.each([
    ['3.0', '3.42'],
    ['3.0', '3.9'],
    ['3.65', '3.80'],
  ])('of a cloud that offers %s to %s is refused with both ranges', async (min_version, version) => {
    const cloud = await fakeCloud(ok)
    cloud.microversions = { min_version, version }
    const error = await cloud.failure(cloud.connect().request('block-storage', volumes))
    expect(error.code).toBe('CK-CLOUD-MICROVERSION')
    expect(error.message).toContain(`from 3.43 to 3.64; the cloud offers ${min_version} to ${version}`)
    expect(error.cure).toContain('Pike')
    expect(cloud.calls).toHaveLength(0)
  })

  it('is asked for with the new token when the old one is refused', async () => {
    const cloud = await fakeCloud(ok)
    const session = cloud.connect()
    await session.projectId()
    cloud.refused.add(cloud.tokens[0] ?? '')
    await session.request('block-storage', volumes)
    expect(cloud.tokens).toHaveLength(2)
  })
})

describe('a request', () => {
  it('carries an id of its own, who we are, and no project in messages', async () => {
    const cloud = await fakeCloud(ok)
    const session = cloud.connect()
    await session.request('block-storage', volumes)
    await session.request('block-storage', volumes)
    const ids = cloud.server.received.map((one) => String(one.headers['x-openstack-request-id']))
    expect(new Set(ids).size).toBe(ids.length)
    for (const id of ids) expect(id).toMatch(/^req-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/)
    expect(cloud.calls[0]?.headers['user-agent']).toBe('cinderkeep (installation inst-1)')
  })

  it("names the service's own request id in its error", async () => {
    const cloud = await fakeCloud((_received, response) => {
      sendJson(response, 400, { badRequest: { code: 400, message: 'no' } }, { 'x-openstack-request-id': 'req-theirs' })
    })
    const error = await cloud.failure(cloud.connect().request('block-storage', volumes))
    expect(error).toMatchObject({ status: 400, method: 'GET', path: '/volumes', requestId: 'req-theirs' })
    expect(error.message).toBe('Cinder GET /volumes: refused: "no" (400, request id req-theirs)')
  })

  it('leaves no connection behind when the session is closed', async () => {
    const cloud = await fakeCloud(ok)
    const session = cloud.connect()
    await session.request('block-storage', volumes)
    expect(await cloud.server.connections()).toBeGreaterThan(0)
    session.close()
    await expect.poll(() => cloud.server.connections()).toBe(0)
  })
})
