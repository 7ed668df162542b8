/** Backups whose data is gone while Cinder calls them available: by Cinder's own trap, and by an accident. */
import { randomBytes, randomUUID } from 'node:crypto'
import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { RecoveryPoint } from '../../workflows/messages.js'
import { startCinderkeep, type Cinderkeep } from '../helpers/cinderkeep.js'
import {
  destroyImage,
  labEnvironment,
  listImages,
  sha256OfRbd,
  tenantOs,
  volumeImage,
  writeRbd,
} from '../helpers/lab.js'
import {
  labCloud,
  listOf,
  newVolume,
  removeBackups,
  removeVolumes,
  restoreByHand,
  settledBackup,
  volumeIs,
  waitFor,
  type LabCloud,
} from '../helpers/lab-cloud.js'
import { expectNothingLeft, temporaryThings } from '../helpers/left-behind.js'

const lab = labEnvironment()
const mib = 2 ** 20
const tag = `acceptance-${randomUUID().slice(0, 8)}`

let cinderkeep: Cinderkeep
let admin: LabCloud
let tenant: LabCloud
let before: string[]
const mine = { admin: [] as string[], tenant: [] as string[] }

beforeAll(async () => {
  admin = await labCloud(lab, lab.os)
  tenant = await labCloud(lab, tenantOs(lab, 'payments'))
  // archives by hand alone
  cinderkeep = await startCinderkeep(lab, {
    policies: { payments: { where: { project: ['payments'], name: [`${tag}-*`] }, copies: [{ target: 'cinder' }] } },
  })
  before = await temporaryThings(lab, admin, cinderkeep.installation)
})

afterAll(async () => {
  await cinderkeep.close()
  await removeVolumes(admin, mine.admin)
  await removeVolumes(tenant, mine.tenant)
  admin.session.close()
  tenant.session.close()
})

const backupOf = (point: RecoveryPoint | undefined): string => point?.copies[0]?.ref['backupId'] ?? 'no backup'

/** Changes the volume and answers with the SHA-256 of all of it. */
async function write(volumeId: string): Promise<string> {
  await writeRbd(lab, volumeImage(volumeId), 5 * mib, randomBytes(mib))
  return sha256OfRbd(lab, 'prod', volumeImage(volumeId))
}

/** Archives as a person would, and answers with the new point. */
async function archive(volumeId: string): Promise<RecoveryPoint | undefined> {
  const { code, stderr } = await cinderkeep.command('archive', volumeId, '--wait')
  expect(code, stderr).toBe(0)
  await cinderkeep.archivesEnded(volumeId)
  return (await cinderkeep.points(volumeId))[0]
}

async function restoredContent(backupId: string): Promise<string> {
  const id = await restoreByHand(admin, backupId, 'restored-by-hand')
  mine.admin.push(id)
  return sha256OfRbd(lab, 'prod', volumeImage(id))
}

/** Takes a backup's data away; Cinder is not told. */
async function destroyData(backupId: string): Promise<void> {
  if (lab.backupDriver === 'ceph') {
    const image = (await listImages(lab, 'backup', 'backups')).find((name) => name.endsWith(`.backup.${backupId}`))
    if (image === undefined) throw new Error(`no image of backup ${backupId}`)
    await destroyImage(lab, 'backup', `backups/${image}`)
    return
  }
  const root = join(lab.dir, 'posix-backups')
  const files = (await readdir(root, { recursive: true })).filter((path) => path.includes(backupId))
  if (files.length === 0) throw new Error(`no files of backup ${backupId}`)
  for (const file of files) await rm(join(root, file), { recursive: true, force: true })
}

describe.runIf(lab.backupDriver === 'ceph')('the trap of two backups of snapshots of one volume', () => {
  const theirs = { snapshots: [] as string[], backups: [] as string[] }

  /** What a script of the tenant's would do: a snapshot, and a backup of it. */
  async function snapshotBackup(volumeId: string, name: string): Promise<string> {
    const { id: snapshotId } = await tenant.createSnapshot({ volumeId, name, force: false })
    theirs.snapshots.push(snapshotId)
    await waitFor(`snapshot ${name}`, async () =>
      (await tenant.getSnapshot(snapshotId)).status === 'available' ? true : null,
    )
    const { id } = await tenant.createBackup({ volumeId, snapshotId, name })
    theirs.backups.push(id)
    await settledBackup(tenant, id)
    await volumeIs(tenant, volumeId, 'available')
    return id
  }

  it('destroys a backup that Cinder calls good, and none of ours', async () => {
    const volume = await newVolume(tenant, `${tag}-trap`)
    mine.tenant.push(volume.id)
    const base = `volume-${volume.id}.backup.base`
    const contents: string[] = []

    contents.push(await write(volume.id))
    const points = [await archive(volume.id)]
    const good = await snapshotBackup(volume.id, 'nightly-1')
    const failed = await snapshotBackup(volume.id, 'nightly-2')
    expect(await tenant.getBackup(good)).toMatchObject({ status: 'available' })
    expect(await tenant.getBackup(failed)).toMatchObject({ status: 'error' })
    expect(await listImages(lab, 'backup', 'backups')).toContain(base)

    // while the trap is set
    contents.push(await write(volume.id))
    points.push(await archive(volume.id))
    expect(await listImages(lab, 'backup', 'backups')).toContain(base)

    await removeBackups(tenant, new Set([failed]))
    expect(await listImages(lab, 'backup', 'backups')).not.toContain(base)
    expect(await tenant.getBackup(good)).toMatchObject({ status: 'available' })

    // after it has snapped
    contents.push(await write(volume.id))
    points.push(await archive(volume.id))

    expect(points.map((point) => point?.copies[0]?.state)).toEqual(['verified', 'verified', 'verified'])
    expect(await Promise.all(points.map(async (point) => restoredContent(backupOf(point))))).toEqual(contents)

    // what they lost shows only when it is restored
    const empty = await newVolume(tenant, `${tag}-lost`)
    mine.tenant.push(empty.id)
    await tenant.restoreBackup(good, empty.id)
    await settledBackup(tenant, good)
    const after = await waitFor('their restore to end', async () => {
      const { status } = await tenant.getVolume(empty.id)
      return status === 'restoring-backup' ? null : status
    })
    expect(after).toMatch(/^error/)

    await removeBackups(tenant, new Set([good]))
    for (const id of theirs.snapshots) await tenant.deleteSnapshot(id)
    await waitFor('their snapshots to be gone', async () =>
      (await listOf(tenant.listSnapshots({ volumeId: volume.id }))).length === 0 ? true : null,
    )
  })
})

describe('a copy whose data is destroyed before it was read back', () => {
  let volumeId: string
  let damaged: string

  it('ends as damaged, though Cinder calls the backup available', async () => {
    volumeId = (await newVolume(tenant, `${tag}-damaged`)).id
    mine.tenant.push(volumeId)
    await write(volumeId)
    // who would read it back is away until the data is gone
    await cinderkeep.roles.kill('mover')
    const archiving = cinderkeep.command('archive', volumeId, '--wait', '--json')
    const backup = await waitFor('the backup', async () => {
      const found = (await listOf(admin.listBackups())).find(({ metadata }) => metadata['ck:volume'] === volumeId)
      return found?.status === 'available' ? found : null
    })
    await destroyData(backup.id)
    cinderkeep.roles.start('mover')

    const { code, stdout } = await archiving
    expect(JSON.parse(stdout)).toMatchObject([{ copies: [{ state: 'damaged', failure: { code: 'CK-COPY-DAMAGED' } }] }])
    expect(code).toBe(1)
    await cinderkeep.archivesEnded(volumeId)
    const [point, ...others] = await cinderkeep.points(volumeId)
    expect(others).toEqual([])
    expect(point?.copies).toMatchObject([{ state: 'damaged', verifiedAt: null, ref: { backupId: backup.id } }])
    damaged = backup.id
    const now = await admin.getBackup(damaged)
    expect(now.status).toBe('available')
    expect(now.metadata['ck:state']).toContain('"damaged"')
    await expectNothingLeft(lab, admin, volumeId, before, cinderkeep.installation)
  })

  it('is no base of the next copy, which is proven', async () => {
    const content = await write(volumeId)
    const point = await archive(volumeId)
    expect(point?.copies).toMatchObject([{ state: 'verified', basePoint: null }])
    expect(await restoredContent(backupOf(point))).toBe(content)
  })
})
