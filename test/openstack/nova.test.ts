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
