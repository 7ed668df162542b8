import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Cinderkeep, startCinderkeep } from '../../test/helpers/cinderkeep.js'
import { type LabCloud, waitFor } from '../../test/helpers/lab-cloud.js'
import { createImage, deleteImage, snapshotsOfImage } from '../../test/lab-nova/helpers/create-image.js'
import { type Guest, newGuest, removeGuest } from '../../test/lab-nova/helpers/guest.js'
import type { ServersLab } from '../../test/lab-nova/helpers/lab-servers.js'
import { secondSite } from '../../test/lab-nova/helpers/second-site.js'

/** Milliseconds from freeze to thaw, one for each round. */
export interface Freezes {
  volumes: number
  ours: number[]
  nova: number[]
}

/** @throws Error when a round did not freeze exactly once */
export async function measureFreezes(
  lab: ServersLab,
  cloud: LabCloud,
  volumes: number,
  rounds: number,
): Promise<Freezes> {
  const name = `bench-${randomUUID().slice(0, 8)}`
  const site = await secondSite(lab)
  const guest = await newGuest(lab, cloud, { name, volumes })
  const consistency = { prefer: ['frozen'], require: 'frozen' }
  const servers = { protect: 'servers', where: { server: [name] }, consistency, copies: [{ target: 'second' }] }
  const cinderkeep = await startCinderkeep(lab, {
    quiesce: { uri: lab.servers.libvirtUri },
    targets: { second: site.options },
    policies: { servers },
  })
  const measured: Freezes = { volumes, ours: [], nova: [] }
  try {
    // the first ones of each are slow: connections, caches
    for (let round = 0; round <= rounds; round += 1) {
      const ours = await frozenFor(lab, async () => byUs(cinderkeep, guest, round + 1))
      const nova = await frozenFor(lab, async () => byNova(lab, cloud, guest))
      if (round === 0) continue
      measured.ours.push(ours)
      measured.nova.push(nova)
    }
    return measured
  } finally {
    await cinderkeep.close()
    await removeGuest(cloud, guest)
    await site.end()
  }
}

/** By libvirt's log, where every command to a guest's agent stands. */
async function frozenFor(lab: ServersLab, act: () => Promise<void>): Promise<number> {
  const log = join(lab.dir, 'log', 'libvirtd.log')
  const before = (await readFile(log)).length
  await act()
  return waitFor('a freeze and its thaw in libvirt’s log', async () => {
    const said = (await readFile(log)).subarray(before).toString()
    const [freeze, more] = timesOf(said, 'freeze')
    const [thaw] = timesOf(said, 'thaw')
    if (more !== undefined) throw new Error('the guest was frozen more than once')
    return freeze === undefined || thaw === undefined ? null : thaw - freeze
  })
}

function timesOf(said: string, verb: string): number[] {
  const line = new RegExp(String.raw`^(\S+) (\S+): .*"guest-fsfreeze-${verb}"`, 'gm')
  return [...said.matchAll(line)].map(([, day = '', time = '']) => Date.parse(`${day}T${time}`))
}

async function byUs(cinderkeep: Cinderkeep, guest: Guest, count: number): Promise<void> {
  const [first = ''] = guest.volumeIds
  const { code, stderr } = await cinderkeep.command('archive', first, '--wait')
  if (code !== 0) throw new Error(`an archive failed: ${stderr}`)
  for (const id of guest.volumeIds) {
    await cinderkeep.pointsWith(id, 'verified', count)
    await cinderkeep.archivesEnded(id)
  }
}

async function byNova(lab: ServersLab, cloud: LabCloud, guest: Guest): Promise<void> {
  const image = await createImage(cloud, guest.serverId, `bench-${randomUUID()}`)
  for (const id of await snapshotsOfImage(lab, image)) {
    await waitFor(`snapshot ${id}`, async () => ((await cloud.getSnapshot(id)).status === 'available' ? true : null))
    await cloud.deleteSnapshot(id)
  }
  await deleteImage(lab, image)
}
