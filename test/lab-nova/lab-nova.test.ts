/** What the lab says of its servers, and what its guest does. */
import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { nova } from '../../openstack/nova.js'
import { labCloud, newVolume, type LabCloud } from '../helpers/lab-cloud.js'
import { consoleOf, hasWritten, newGuest, plug, removeGuest, type Guest } from './helpers/guest.js'
import { labWithServers } from './helpers/lab-servers.js'
import { freezeStatus, virshDoes } from './helpers/virsh.js'

const run = promisify(execFile)
const lab = labWithServers()
const name = `lab-nova-${randomUUID()}`
let cloud: LabCloud
let guest: Guest

beforeAll(async () => {
  cloud = await labCloud(lab, lab.os)
  guest = await newGuest(lab, cloud, { name, volumes: 1 })
})
afterAll(async () => {
  await removeGuest(cloud, guest)
  cloud.session.close()
})

describe('the lab with servers', () => {
  it('has services that run and answer', async () => {
    const script = fileURLToPath(new URL('../../lab/lab', import.meta.url))
    const { stdout } = await run(script, ['status'], { env: { ...process.env, LAB: lab.dir } })
    const lines = stdout.split('\n').filter((line) => / up$/.test(line))
    const names = lines.map((line) => line.split(' ')[0])
    const nova = ['conductor', 'scheduler', 'compute', 'api'].map((part) => `nova-${part}`)
    expect(names).toEqual(expect.arrayContaining(['libvirtd', 'neutron', 'glance-api', 'placement-api', ...nova]))
  })

  it('keeps what is of libvirt to itself: a second lab, or the machine, may have one beside it', async () => {
    const { stdout } = await run('findmnt', ['--noheadings', '--output', 'TARGET', '--list'])
    expect(stdout.split('\n').filter((target) => target.includes('libvirt'))).toEqual([])
    expect(lab.servers.libvirtUri).toContain(join(lab.dir, 'libvirt'))
  })

  it('shows a server with its volumes and its host, which is the name that libvirt has', async () => {
    const server = await nova(cloud.session).getServer(guest.serverId)
    const host = (await virshDoes(lab, '--quiet', 'hostname')).trim()
    expect(server).toMatchObject({ name, status: 'ACTIVE', hypervisorHost: host, volumeIds: guest.volumeIds })
    expect((await virshDoes(lab, '--quiet', 'domuuid', guest.domain)).trim()).toBe(guest.serverId)
  })

  it('has a guest with an agent, which formats and counts on a volume that is plugged while it runs', async () => {
    expect(await freezeStatus(lab, guest.domain)).toBe('thawed')
    const { id } = await newVolume(cloud, `${name}-plugged`)
    await plug(cloud, guest, id)
    await hasWritten(lab, guest, { disks: 2, times: 3 })
    expect(await consoleOf(lab, guest)).toMatch(new RegExp(`mounted /dev/vdb .*serial=${id.slice(0, 20)}`))
  })
})
