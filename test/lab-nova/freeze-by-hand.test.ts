/** That a freeze by libvirt makes copies consistent, and that these tests can tell: without it they are not. */
import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { labCloud, type LabCloud } from '../helpers/lab-cloud.js'
import { volumeImage } from '../helpers/lab.js'
import { lookAt, type Look } from './helpers/filesystem.js'
import { consoleOf, newGuest, removeGuest, type Guest } from './helpers/guest.js'
import { labWithServers } from './helpers/lab-servers.js'
import { freezeStatus, virshDoes } from './helpers/virsh.js'

const run = promisify(execFile)
const lab = labWithServers()
let cloud: LabCloud
let guest: Guest

beforeAll(async () => {
  cloud = await labCloud(lab, lab.os)
  guest = await newGuest(lab, cloud, { name: `by-hand-${randomUUID()}` })
})
afterAll(async () => {
  await removeGuest(cloud, guest)
  cloud.session.close()
})

/** RBD snapshots of all volumes, one after the other, looked at and removed. */
async function snapAll({ frozen }: { frozen: boolean }): Promise<Look[]> {
  const snapshot = `by-hand.${randomUUID()}`
  const images = guest.volumeIds.map((id) => `${volumeImage(id)}@${snapshot}`)
  const rbd = async (...args: string[]) => run('rbd', ['-c', lab.cephConf.prod, 'snap', ...args, '--no-progress'])
  if (frozen) await virshDoes(lab, 'domfsfreeze', guest.domain)
  try {
    for (const image of images) await rbd('create', image)
  } finally {
    if (frozen) await virshDoes(lab, 'domfsthaw', guest.domain)
  }
  const looks: Look[] = []
  for (const id of guest.volumeIds) looks.push(await lookAt(lab, id, snapshot))
  for (const image of images) await rbd('rm', image)
  return looks
}

describe('snapshots of a running guest', () => {
  it('need recovery, and lose what was not synced, when it was not frozen', async () => {
    const looks = await snapAll({ frozen: false })
    expect(looks.map(({ needsRecovery }) => needsRecovery)).toEqual([true, true])
    expect(looks.map(({ mounted }) => mounted)).toEqual([null, null])
    const lost = looks.map(({ replayed: { counter, applog } }) => (counter ?? 0) - (applog ?? 0))
    expect(Math.max(...lost)).toBeGreaterThan(1)
  })

  it('need none, and have all volumes at one point with all that was written, when it was frozen', async () => {
    const looks = await snapAll({ frozen: true })
    expect(looks.map(({ needsRecovery }) => needsRecovery)).toEqual([false, false])
    const counters = looks.map(({ asItLies }) => asItLies.counter ?? Number.NaN)
    expect(Math.abs((counters[0] ?? Number.NaN) - (counters[1] ?? Number.NaN))).toBeLessThanOrEqual(1)
    for (const { asItLies } of looks) {
      expect(asItLies.nuls).toBe(0)
      // a freeze comes between any two writes: the log may be one line behind
      const behind = (asItLies.counter ?? Number.NaN) - (asItLies.applog ?? Number.NaN)
      expect([0, 1]).toContain(behind)
    }
  })

  it('let the guest go on: it writes nothing while it is frozen, and again once it is thawed', async () => {
    const lines = async () => (await consoleOf(lab, guest)).split('\n').length
    await virshDoes(lab, 'domfsfreeze', guest.domain)
    const [status, before] = [await freezeStatus(lab, guest.domain), await lines()]
    await new Promise((resolve) => setTimeout(resolve, 3000))
    // the writer may have been about to tell of the last write before the freeze
    const during = await lines()
    await virshDoes(lab, 'domfsthaw', guest.domain)
    expect(status).toBe('frozen')
    expect(during - before).toBeLessThanOrEqual(1)
    await expect.poll(async () => (await lines()) - during, { timeout: 60_000 }).toBeGreaterThan(3)
    expect(await freezeStatus(lab, guest.domain)).toBe('thawed')
  })
})
