/** The contract of targets, and Cinder's worst trap, on a real Cinder with the backup driver that the lab runs. */
import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { loadCloud } from '../../openstack/clouds-yaml.js'
import type { Copy } from '../../targets/target.js'
import { destroyImage, labEnvironment, labService, listImages, volumeImage, writeRbd } from '../helpers/lab.js'
import { allOf, cloudBench, type CloudBench } from '../targets/cloud-bench.js'
import { contextFor, describeTarget } from '../targets/contract.js'

const lab = labEnvironment()

async function labBench(): Promise<CloudBench> {
  return cloudBench({
    cloud: await loadCloud({ env: lab.os, cwd: lab.dir, home: lab.dir }),
    source: { match: '*@ceph#*', kind: 'rbd', conf: lab.cephConf.prod, user: lab.cephUser, pool: 'volumes' },
    target: { kind: 'cinder-backup', driver: lab.backupDriver === 'ceph' ? 'ceph' : 'chunked' },
    write: async (volumeId, offset, bytes) => writeRbd(lab, volumeImage(volumeId), offset, bytes),
    destroy: destroyBackup,
    longestWaitMs: 1_000,
  })
}

async function destroyBackup({ ref }: Copy): Promise<void> {
  const id = ref['backupId'] ?? ''
  if (lab.backupDriver === 'ceph') {
    const image = (await listImages(lab, 'backup', 'backups')).find((name) => name.endsWith(`.backup.${id}`))
    if (image === undefined) throw new Error(`no image of backup ${id}`)
    await destroyImage(lab, 'backup', `backups/${image}`)
    return
  }
  const root = join(lab.dir, 'posix-backups')
  const files = (await readdir(root, { recursive: true })).filter((path) => path.includes(id))
  if (files.length === 0) throw new Error(`no files of backup ${id}`)
  for (const file of files) await rm(join(root, file), { recursive: true, force: true })
}

describeTarget(`cinder-backup on the lab (${lab.backupDriver})`, labBench, [2, 5])

describe('cinder-backup when the lab is in trouble', () => {
  let bench: CloudBench
  beforeAll(async () => {
    bench = await labBench()
  })
  afterAll(async () => {
    await labService(lab, 'start', 'cinder-backup')
    await serviceIs('up')
    await bench.end()
  })

  /** Cinder's own view follows a service by some seconds. */
  async function serviceIs(state: 'up' | 'down'): Promise<void> {
    for (let looks = 0; ; looks += 1) {
      if (looks === 240) throw new Error(`cinder-backup is not ${state} after two minutes`)
      const services = await bench.api.listServices({ binary: 'cinder-backup' })
      if (services.every((one) => one.state === state)) return
      await delay(500)
    }
  }

  it('concludes nothing about a copy while cinder-backup is away, and deletes nothing', async () => {
    const capture = await bench.capture()
    const copy = await bench.open().writeCopy(capture, null, contextFor().context)
    await labService(lab, 'stop', 'cinder-backup')
    await serviceIs('down')
    const down = { code: 'CK-BACKUP-SERVICE-DOWN' }
    await expect(bench.open().verifyCopy(copy, capture, contextFor().context)).rejects.toMatchObject(down)
    await expect(bench.open().removeCopy(copy, contextFor().context)).rejects.toMatchObject(down)
    await labService(lab, 'start', 'cinder-backup')
    await serviceIs('up')
    expect(await bench.open().verifyCopy(copy, capture, contextFor().context)).toMatchObject({ state: 'verified' })
    expect(await bench.leftovers(capture)).toEqual([])
  })

  it('makes one copy although cinder-backup is killed while it writes', async () => {
    const capture = await bench.capture()
    const killing = contextFor()
    const { report } = killing.context
    let killed: Promise<void> | undefined
    killing.context.report = (progress) => {
      report(progress)
      if (!progress.phase.includes('is creating')) return
      killed ??= labService(lab, 'kill', 'cinder-backup').then(async () => labService(lab, 'start', 'cinder-backup'))
    }
    const [first] = await Promise.allSettled([bench.open().writeCopy(capture, null, killing.context)])
    expect(killed).toBeDefined()
    await killed
    // it may have been done before the kill arrived
    if (first.status === 'rejected') expect(first.reason).toMatchObject({ code: 'CK-BACKUP-FAILED' })
    await serviceIs('up')
    const copy = await bench.open().writeCopy(capture, null, contextFor().context)
    expect(await bench.open().listCopies(capture.volume.volumeId, contextFor().context)).toEqual([copy])
    expect(await bench.open().verifyCopy(copy, capture, contextFor().context)).toMatchObject({ state: 'verified' })
    expect(await bench.leftovers(capture)).toEqual([])
  })

  it("leaves the archived volume's metadata on a restored one, and no mark of ours", async () => {
    const capture = await bench.capture()
    const copy = await bench.open().writeCopy(capture, null, contextFor().context)
    const volumeId = await bench.emptyVolume(capture)
    await bench.open().restoreCopy(copy, { kind: 'volume', volumeId }, contextFor().context)
    expect((await bench.api.getVolume(volumeId)).metadata).toEqual(capture.volume.metadata)
  })
})

describe.runIf(lab.backupDriver === 'ceph')('two backups of snapshots of one volume (the trap)', () => {
  let bench: CloudBench
  beforeAll(async () => {
    bench = await labBench()
  })
  afterAll(async () => {
    await bench.end()
  })

  it('spares the good one when a copy of the same volume is written, verified and removed', async () => {
    const capture = await bench.capture()
    const { volumeId } = capture.volume
    const theirs = await bench.api.createBackup({ volumeId, snapshotId: capture.snapshotId, name: 'nightly-1' })
    await settled(theirs.id)
    const second = await bench.captureAgain(capture)
    const failing = await bench.api.createBackup({ volumeId, snapshotId: second.snapshotId, name: 'nightly-2' })
    expect((await settled(failing.id)).status).toBe('error')
    const base = `volume-${volumeId}.backup.base`
    expect(await listImages(lab, 'backup', 'backups')).toContain(base)

    const copy = await bench.open().writeCopy(second, null, contextFor().context)
    expect(await bench.open().verifyCopy(copy, second, contextFor().context)).toMatchObject({ state: 'verified' })
    await bench.open().removeCopy(copy, contextFor().context)
    await bench.open().removeTemporaries({ archiveId: second.archiveId, volumeId }, contextFor().context)
    expect(await listImages(lab, 'backup', 'backups')).toContain(base)

    // what everybody else does, to show that the trap is real: deleting the failed one takes the good one's data
    await bench.api.deleteBackup(failing.id)
    await gone(failing.id)
    expect(await listImages(lab, 'backup', 'backups')).not.toContain(base)
    expect((await bench.api.getBackup(theirs.id)).status).toBe('available')
    await bench.api.deleteBackup(theirs.id)
    await gone(theirs.id)
  })

  async function settled(id: string) {
    return expect
      .poll(async () => (await bench.api.getBackup(id)).status, { timeout: 120_000, interval: 500 })
      .not.toBe('creating')
      .then(async () => bench.api.getBackup(id))
  }

  async function gone(id: string): Promise<void> {
    await expect
      .poll(async () => (await allOf(bench.api.listBackups())).some((one) => one.id === id), {
        timeout: 120_000,
        interval: 500,
      })
      .toBe(false)
  }
})
