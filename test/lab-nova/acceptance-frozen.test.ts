/**
 * The whole way of a running server's two volumes: one freeze, proven copies on the second Ceph cluster, and a restored
 * group that needs no recovery and agrees on what its writer wrote.
 */
import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { RecoveryPoint } from '../../workflows/messages.js'
import { startCinderkeep, type Cinderkeep } from '../helpers/cinderkeep.js'
import { labCloud, listOf, type LabCloud } from '../helpers/lab-cloud.js'
import { listRbdSnapshots, volumeImage } from '../helpers/lab.js'
import type { Look } from './helpers/filesystem.js'
import { type Guest, hasWritten, newGuest, removeGuest, shutOff } from './helpers/guest.js'
import { labWithServers } from './helpers/lab-servers.js'
import { secondSite, type SecondSite } from './helpers/second-site.js'
import { freezeStatus } from './helpers/virsh.js'

const lab = labWithServers()
const name = `frozen-${randomUUID().slice(0, 8)}`
let cloud: LabCloud
let site: SecondSite
let guest: Guest
let cinderkeep: Cinderkeep

beforeAll(async () => {
  cloud = await labCloud(lab, lab.os)
  site = await secondSite(lab)
  guest = await newGuest(lab, cloud, { name })
  cinderkeep = await startCinderkeep(lab, {
    quiesce: { uri: lab.servers.libvirtUri },
    targets: { second: site.options },
    policies: {
      servers: {
        protect: 'servers',
        where: { server: [name] },
        on: ['compute.instance.power_off.end'],
        settle: '1s',
        consistency: { prefer: ['detached', 'frozen', 'crash'], require: 'crash' },
        copies: [{ target: 'second' }],
      },
    },
  })
})
afterAll(async () => {
  await cinderkeep.close()
  await removeGuest(cloud, guest)
  await site.end()
  cloud.session.close()
})

/** Asks for one volume of the server; the newest verified point of each. */
async function archived(count: number): Promise<RecoveryPoint[]> {
  const [first = ''] = guest.volumeIds
  const { code, stderr, stdout } = await cinderkeep.command('archive', first, '--wait')
  expect({ code, stderr, stdout }).toMatchObject({ code: 0 })
  return newest(count)
}

async function newest(count: number): Promise<RecoveryPoint[]> {
  const points = await Promise.all(guest.volumeIds.map((id) => cinderkeep.pointsWith(id, 'verified', count)))
  return points.flatMap(([point]) => point ?? [])
}

function atOnePoint(looks: Look[]): void {
  const counters = looks.map(({ asItLies }) => asItLies.counter ?? Number.NaN)
  expect(Math.abs((counters[0] ?? Number.NaN) - (counters[1] ?? Number.NaN))).toBeLessThanOrEqual(1)
  for (const { needsRecovery, mounted, asItLies } of looks) {
    expect(needsRecovery).toBe(false)
    expect(mounted).toBe(asItLies.counter)
    expect(asItLies.nuls).toBe(0)
    expect([0, 1]).toContain((asItLies.counter ?? Number.NaN) - (asItLies.applog ?? Number.NaN))
  }
}

it('freezes by the agent of the host: both volumes are one group, and a restore needs no recovery', async () => {
  const points = await archived(1)
  expect(points.map(({ consistency }) => consistency)).toEqual(['frozen', 'frozen'])
  expect(points[0]?.group).toMatch(new RegExp(`^${guest.serverId}/`))
  expect(points[1]?.group).toBe(points[0]?.group)
  expect(points[0]?.copies[0]?.members).toEqual([...guest.volumeIds].sort())
  const looks: Look[] = []
  for (const point of points) looks.push(await site.restored(point))
  atOnePoint(looks)
  expect(await freezeStatus(lab, guest.domain)).toBe('thawed')
  await hasWritten(lab, guest, { disks: 2, times: 20 })
})

it('freezes by Nova when no agent serves the host', async () => {
  await cinderkeep.roles.kill('quiesce')
  const points = await archived(2)
  expect(points.map(({ consistency }) => consistency)).toEqual(['frozen', 'frozen'])
  const looks: Look[] = []
  for (const point of points) looks.push(await site.restored(point))
  atOnePoint(looks)
  expect(await freezeStatus(lab, guest.domain)).toBe('thawed')
  for (const volumeId of guest.volumeIds) {
    await cinderkeep.archivesEnded(volumeId)
    // Cinder's snapshots are in the tenant's way, Nova's image is of no use; the base of the first copy stays
    expect(await listOf(cloud.listSnapshots({ volumeId }))).toEqual([])
    expect(await listRbdSnapshots(lab, 'prod', volumeImage(volumeId))).toHaveLength(1)
  }
  expect(await listOf(cloud.listSnapshots({ allProjects: true }))).toEqual([])
  cinderkeep.roles.start('quiesce')
})

it('archives as detached what a server that was shut off has attached', async () => {
  await shutOff(cloud, guest)
  const points = await newest(3)
  expect(points.map(({ consistency }) => consistency)).toEqual(['detached', 'detached'])
  expect(points.map(({ slot }) => slot.split(':')[1])).toEqual([
    'compute.instance.power_off.end',
    'compute.instance.power_off.end',
  ])
})
