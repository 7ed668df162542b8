import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { serversOf } from '../../activities/servers-of.js'
import { activityBench, type ActivityBench } from './bench.js'

let bench: ActivityBench
beforeAll(async () => {
  bench = await activityBench({ bytesPerGib: 2 ** 20 })
})
afterAll(async () => {
  await bench.end()
})

it('finds each server once, with all its volumes, and says whether Nova could freeze it', async () => {
  const [boot, data, other, lone] = [
    await bench.newVolume(),
    await bench.newVolume(),
    await bench.newVolume(),
    await bench.newVolume(),
  ]
  const server = bench.newServer([boot, data])
  const second = bench.newServer([other], {})
  expect(await serversOf(bench.deps, [data, boot, other, lone])).toEqual({
    servers: [
      {
        ...{ serverId: server.id, name: 'db', status: 'ACTIVE', hypervisor: 'sandbox', volumeIds: [boot, data] },
        novaObstacle: null,
      },
      {
        ...{ serverId: second.id, name: 'db', status: 'ACTIVE', hypervisor: 'sandbox', volumeIds: [other] },
        novaObstacle: {
          code: 'CK-NOVA-QUIESCE-NOT-REQUIRED',
          reason: expect.stringContaining('hw_qemu_guest_agent and os_require_quiesce') as string,
        },
      },
    ],
    attached: [
      { volumeId: data, serverIds: [server.id] },
      { volumeId: boot, serverIds: [server.id] },
      { volumeId: other, serverIds: [second.id] },
      { volumeId: lone, serverIds: [] },
    ],
  })
})

it('tells what is attached to no server of Nova, and what is gone', async () => {
  const [orphan, gone] = [await bench.newVolume(), randomUUID()]
  bench.attach(orphan)
  const { servers, attached } = await serversOf(bench.deps, [orphan, gone])
  expect(servers).toEqual([])
  expect(attached).toMatchObject([{ serverIds: [expect.any(String)] }, { volumeId: gone, serverIds: [] }])
})

it('says of a server that is off, or boots from an image, why Nova cannot freeze it', async () => {
  const [first, second] = [await bench.newVolume(), await bench.newVolume()]
  const off = bench.newServer([first])
  off.status = 'SHUTOFF'
  const imaged = bench.newServer([second])
  imaged.imageRef = randomUUID()
  const { servers } = await serversOf(bench.deps, [first, second])
  expect(servers.map(({ novaObstacle }) => novaObstacle?.code)).toEqual([
    'CK-NOVA-SERVER-NOT-ACTIVE',
    'CK-NOVA-NOT-VOLUME-BACKED',
  ])
})
