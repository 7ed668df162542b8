import { describe, expect, it } from 'vitest'
import { nova } from '../../openstack/nova.js'
import { sendJson } from '../helpers/with-http.js'
import { fakeCloud } from './fake-cloud.js'

const server = (id: string, name: string) => ({
  server: { id, name, status: 'ACTIVE', 'os-extended-volumes:volumes_attached': [] },
})
const fault = (status: number, kind: string) => ({ [kind]: { code: status, message: 'no' } })

describe('serverName', () => {
  it('is asked for once in five minutes', async () => {
    let asked = 0
    const cloud = await fakeCloud((_received, response) => {
      asked += 1
      sendJson(response, 200, server('s-1', 'db-1'))
    })
    let now = 0
    const names = nova(cloud.connect(), () => now)
    expect(await Promise.all([names.serverName('s-1'), names.serverName('s-1')])).toEqual(['db-1', 'db-1'])
    now = 299_000
    await names.serverName('s-1')
    expect(asked).toBe(1)
    now = 301_000
    await names.serverName('s-1')
    expect(asked).toBe(2)
  })

  it('is null where there is no such server or it may not be seen, and an error when Nova fails', async () => {
    const cloud = await fakeCloud(({ path }, response) => {
      if (path.includes('gone')) sendJson(response, 404, fault(404, 'itemNotFound'))
      else if (path.includes('hidden')) sendJson(response, 403, fault(403, 'forbidden'))
      else sendJson(response, 500, fault(500, 'computeFault'))
    })
    const names = nova(cloud.connect())
    expect(await names.serverName('gone')).toBeNull()
    expect(await names.serverName('hidden')).toBeNull()
    expect(await cloud.failure(names.serverName('s-1'))).toMatchObject({ code: 'CK-CLOUD-UNAVAILABLE' })
  })
})

describe('listServers', () => {
  it('pages through the servers of all projects, each with its host and volumes', async () => {
    const all = Array.from({ length: 3 }, (_, at) => ({
      ...server(`s-${at}`, `db-${at}`).server,
      'OS-EXT-SRV-ATTR:hypervisor_hostname': `compute-${at}`,
      'os-extended-volumes:volumes_attached': [{ id: `v-${at}` }],
      image: at === 0 ? { id: 'i' } : '',
    }))
    const paths = new Set<string>()
    const cloud = await fakeCloud(({ path, query }, response) => {
      paths.add(`${path} ${query.get('all_tenants') ?? ''}`)
      const from = all.findIndex(({ id }) => id === query.get('marker')) + 1
      const links = from + 2 < all.length ? { servers_links: [{ rel: 'next', href: 'http://internal/' }] } : {}
      sendJson(response, 200, { servers: all.slice(from, from + 2), ...links })
    })
    const found: unknown[] = []
    for await (const one of nova(cloud.connect()).listServers()) found.push(one)
    expect(found).toHaveLength(3)
    expect(found[1]).toEqual({
      ...{ id: 's-1', name: 'db-1', status: 'ACTIVE', hypervisorHost: 'compute-1', volumeIds: ['v-1'] },
      ...{ isVolumeBacked: true, task: null },
    })
    expect([...paths]).toEqual([expect.stringMatching(/\/servers\/detail 1$/)])
  })

  it('fails where they may not be listed', async () => {
    const cloud = await fakeCloud((_received, response) => {
      sendJson(response, 403, fault(403, 'forbidden'))
    })
    const list = async (): Promise<void> => {
      for await (const one of nova(cloud.connect()).listServers()) throw new Error(one.id)
    }
    expect(await cloud.failure(list())).toMatchObject({ code: 'CK-CLOUD-FORBIDDEN' })
  })
})

describe('serverNames', () => {
  it('pages through the servers of all projects', async () => {
    const all = Array.from({ length: 5 }, (_, at) => ({ id: `s-${at}`, name: `web-${at}` }))
    const queries: string[] = []
    const cloud = await fakeCloud(({ query }, response) => {
      queries.push(String(query))
      const marker = query.get('marker')
      const from = marker === null ? 0 : all.findIndex(({ id }) => id === marker) + 1
      sendJson(response, 200, { servers: all.slice(from, from + 2) })
    })
    const found = await nova(cloud.connect()).serverNames()
    expect([...(found ?? [])]).toEqual(all.map(({ id, name }) => [id, name]))
    expect(queries[0]).toContain('all_tenants=1')
  })

  it('is null where they may not be listed', async () => {
    const cloud = await fakeCloud((_received, response) => {
      sendJson(response, 403, fault(403, 'forbidden'))
    })
    expect(await nova(cloud.connect()).serverNames()).toBeNull()
  })
})
