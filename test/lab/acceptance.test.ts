/** The whole way on a real cloud: from Cinder's own notification to a copy that OpenStack alone restores. */
import { randomBytes, randomUUID } from 'node:crypto'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Volume } from '../../openstack/cinder.js'
import type { RecoveryPoint } from '../../workflows/messages.js'
import { volumeWorkflowId } from '../../workflows/messages.js'
import { startCinderkeep, type Cinderkeep } from '../helpers/cinderkeep.js'
import { labEnvironment, listImages, sha256OfRbd, tenantOs, volumeImage, writeRbd } from '../helpers/lab.js'
import {
  attachWhile,
  hearEvents,
  labCloud,
  newVolume,
  removeVolumes,
  restoreByHand,
  waitFor,
  type HeardEvent,
  type LabCloud,
} from '../helpers/lab-cloud.js'
import { expectNothingLeft, temporaryThings } from '../helpers/left-behind.js'

const lab = labEnvironment()
const mib = 2 ** 20
const tag = `acceptance-${randomUUID().slice(0, 8)}`
const onBoth = { on: ['volume.create.end', 'volume.detach.end'], settle: '1s', copies: [{ target: 'cinder' }] }

let cinderkeep: Cinderkeep
let admin: LabCloud
let tenant: LabCloud
let before: string[]
let events: { heard: HeardEvent[]; close(): Promise<void> }
const mine = { admin: [] as string[], tenant: [] as string[] }

beforeAll(async () => {
  admin = await labCloud(lab, lab.os)
  tenant = await labCloud(lab, tenantOs(lab, 'payments'))
  cinderkeep = await startCinderkeep(lab, {
    policies: {
      payments: { where: { project: ['payments'], name: [`${tag}-*`] }, ...onBoth },
      // in the project in which Cinderkeep itself works, and by their names all that it makes there
      administrators: { where: { project: ['admin'], name: [`${tag}-*`, 'ck-*'] }, ...onBoth },
    },
  })
  before = await temporaryThings(lab, admin, cinderkeep.installation)
  events = await hearEvents(lab)
})

afterAll(async () => {
  await events.close()
  await cinderkeep.close()
  await removeVolumes(admin, mine.admin)
  await removeVolumes(tenant, mine.tenant)
  admin.session.close()
  tenant.session.close()
})

function backupOf(point: RecoveryPoint | undefined): string {
  return point?.copies[0]?.ref['backupId'] ?? 'no backup'
}

/** Where the backup's bytes lie: images of the second cluster, or files. */
async function dataOf(backupId: string): Promise<string[]> {
  const names =
    lab.backupDriver === 'ceph'
      ? await listImages(lab, 'backup', 'backups')
      : await readdir(join(lab.dir, 'posix-backups'), { recursive: true })
  return names.filter((name) => name.includes(backupId))
}

describe(`a tenant's volume on a cloud that backs up to ${lab.backupDriver}`, () => {
  let volume: Volume
  /** SHA-256 of the volume as its user left it, read past Cinder and Cinderkeep. */
  let content: string

  it('is archived and proven when Cinder tells that it was created', async () => {
    volume = await newVolume(tenant, `${tag}-db`, { metadata: { app: 'ledger' } })
    mine.tenant.push(volume.id)
    const [first] = await cinderkeep.pointsWith(volume.id, 'verified', 1)
    expect(first).toMatchObject({
      slot: expect.stringMatching(/^event:volume\.create\.end:/) as string,
      consistency: 'detached',
      sizeBytes: 2 ** 30,
      rootHash: expect.stringMatching(/^sha256-4m:[0-9a-f]{64}$/) as string,
    })
  })

  it('is archived again when it was written to and detached', async () => {
    await cinderkeep.archivesEnded(volume.id)
    await attachWhile(tenant, volume.id, async () => {
      for (const at of [0, 77 * mib + 4096, 511 * mib, 1023 * mib]) {
        await writeRbd(lab, volumeImage(volume.id), at, randomBytes(mib))
      }
    })
    content = await sha256OfRbd(lab, 'prod', volumeImage(volume.id))
    const [second, first] = await cinderkeep.pointsWith(volume.id, 'verified', 2)
    expect(second).toMatchObject({
      slot: expect.stringMatching(/^event:volume\.detach\.end:/) as string,
      consistency: 'detached',
    })
    expect(second?.rootHash).not.toBe(first?.rootHash)
    await cinderkeep.archivesEnded(volume.id)
    const told = events.heard.filter(({ volumeId }) => volumeId === volume.id).map(({ event }) => event)
    expect(told).toEqual(expect.arrayContaining(['volume.create.end', 'volume.attach.end', 'volume.detach.end']))
    expect(await cinderkeep.archives(volume.id)).toHaveLength(2)
  })

  it('has its copies outside of its own cluster', async () => {
    const points = await cinderkeep.points(volume.id)
    const backups = points.map(backupOf)
    expect(new Set(backups).size).toBe(2)
    for (const id of backups) {
      expect(await dataOf(id)).not.toEqual([])
      expect(await admin.getBackup(id)).toMatchObject({ status: 'available' })
    }
    expect((await listImages(lab, 'prod', 'volumes')).filter((image) => image.includes('backup'))).toEqual([])
  })

  it.runIf(lab.backupDriver === 'ceph')('has full copies, never made from its snapshots', async () => {
    for (const point of await cinderkeep.points(volume.id)) {
      const backup = await admin.getBackup(backupOf(point))
      expect(backup).toMatchObject({ isIncremental: false, snapshotId: null })
      expect(backup.volumeId).not.toBe(volume.id)
      expect(point.copies[0]?.basePoint).toBeNull()
    }
    expect(await listImages(lab, 'backup', 'backups')).not.toContain(`volume-${volume.id}.backup.base`)
  })

  it.runIf(lab.backupDriver === 'posix')('has an incremental copy upon a full one, both of snapshots', async () => {
    const [second, first] = await cinderkeep.points(volume.id)
    expect(first?.copies[0]?.basePoint).toBeNull()
    expect(second?.copies[0]?.basePoint).toBe(first?.point)
    const full = await admin.getBackup(backupOf(first))
    const incremental = await admin.getBackup(backupOf(second))
    expect(full).toMatchObject({ isIncremental: false, hasDependents: true, volumeId: volume.id })
    expect(incremental).toMatchObject({ isIncremental: true, volumeId: volume.id })
    expect(incremental.snapshotId).not.toBeNull()
  })

  it('is given back byte for byte by OpenStack alone', async () => {
    const [newest] = await cinderkeep.points(volume.id)
    const restored = await restoreByHand(admin, backupOf(newest), 'restored-by-hand')
    mine.admin.push(restored)
    expect(await sha256OfRbd(lab, 'prod', volumeImage(restored))).toBe(content)
    // nobody wrote to the volume since
    expect(await sha256OfRbd(lab, 'prod', volumeImage(volume.id))).toBe(content)
  })

  it('is told of on the command line', async () => {
    const { code, stdout } = await cinderkeep.command('points', `${tag}-db`, '--json')
    expect(code).toBe(0)
    const states = (JSON.parse(stdout) as { copies: { state: string }[] }[]).map(({ copies }) => copies[0]?.state)
    expect(states).toEqual(['verified', 'verified'])
    const shown = await cinderkeep.command('show', `${tag}-db@latest`)
    expect(shown.code).toBe(0)
    expect(shown.stdout).toContain('verified')
  })

  it('finds nothing of ours on it or beside it', async () => {
    // what was restored by hand carries the marks of what was backed up
    await removeVolumes(admin, mine.admin.splice(0))
    await expectNothingLeft(lab, admin, volume.id, before, cinderkeep.installation)
    expect(await tenant.getVolume(volume.id)).toMatchObject({ status: 'available', metadata: { app: 'ledger' } })
  })
})

describe('the volumes that Cinderkeep itself makes', () => {
  it('cause no archive, though a policy matches their project and their names', async () => {
    const volume = await newVolume(admin, `${tag}-plain`)
    mine.admin.push(volume.id)
    const [point] = await cinderkeep.pointsWith(volume.id, 'verified', 1)
    await cinderkeep.archivesEnded(volume.id)
    const ours = events.heard.filter(
      ({ event, name }) => event === 'volume.create.end' && name?.startsWith(`ck-${point?.archiveId ?? 'none'}`),
    )
    // the temporary volume, which Ceph's driver alone needs, and the scratch volume
    expect(ours).toHaveLength(lab.backupDriver === 'ceph' ? 2 : 1)
    for (const { volumeId } of ours) {
      const entity = cinderkeep.temporal.client.workflow.getHandle(volumeWorkflowId(volumeId ?? ''))
      // the event was heard, looked at, and led to nothing
      await waitFor(`the end of ${entity.workflowId}`, async () =>
        entity.describe().then(
          ({ status }) => (status.name === 'COMPLETED' ? true : null),
          () => null,
        ),
      )
      expect(await cinderkeep.archives(volumeId ?? '')).toEqual([])
    }
    expect(await cinderkeep.archives(volume.id)).toHaveLength(1)
  })
})
