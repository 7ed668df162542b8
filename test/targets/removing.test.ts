import { randomUUID } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { manifestToMetadata, readManifest } from '../../targets/cinder-backup/manifest.js'
import { temporaryName } from '../../targets/cinder-backup/names.js'
import type { Copy } from '../../targets/target.js'
import { contextFor } from './contract.js'
import { fakeBench, type FakeBench } from './fake-bench.js'

async function written(driver: 'ceph' | 'chunked' = 'ceph') {
  const bench = fakeBench(driver)
  const capture = await bench.capture()
  const copy = await bench.open().writeCopy(capture, null, contextFor().context)
  const backup = bench.cloud.backups.get(copy.ref['backupId'] ?? '')
  if (backup === undefined) throw new Error('no backup')
  return { bench, capture, copy, backup }
}

const remove = async (bench: FakeBench, copy: Copy): Promise<void> =>
  bench.open().removeCopy(copy, contextFor().context)

describe('removing a copy', () => {
  it('refuses it while increments depend on it', async () => {
    const { bench, capture, copy } = await written('chunked')
    const next = await bench.open().writeCopy(await bench.captureAgain(capture), copy, contextFor().context)
    await expect(remove(bench, copy)).rejects.toMatchObject({ code: 'CK-COPY-HAS-DEPENDENTS' })
    await remove(bench, next)
    await remove(bench, copy)
    expect(bench.cloud.backups.size).toBe(0)
  })

  it("refuses it when Ceph's driver could take another backup's data with it", async () => {
    const { bench, copy, backup } = await written()
    const { id: volumeId } = bench.cloud.addVolume({ sizeGib: 1 })
    const snapshot = await bench.cloud.api.createSnapshot({ volumeId, name: 'theirs', force: true })
    const theirs = await bench.cloud.api.createBackup({ volumeId, snapshotId: snapshot.id, name: 'theirs' })
    bench.cloud.advance(10_000)
    // as after a `force` copy: both are of one volume, but theirs is one of their own project
    backup.volumeId = volumeId
    Object.assign(bench.cloud.backups.get(theirs.id) ?? {}, { projectId: 'theirs' })
    await expect(remove(bench, copy)).rejects.toMatchObject({ code: 'CK-COPY-REMOVAL-UNSAFE' })
    expect(bench.cloud.pool.has(bench.cloud.backups.get(theirs.id)?.image ?? '')).toBe(true)
    expect(bench.cloud.backups.has(backup.id)).toBe(true)
  })

  it.each(['creating', 'restoring'])('refuses it while Cinder is %s it', async (status) => {
    const { bench, copy, backup } = await written()
    backup.status = status
    await expect(remove(bench, copy)).rejects.toMatchObject({ code: 'CK-COPY-BUSY' })
  })

  it('refuses it when the backup says that it is of another archive', async () => {
    const { bench, copy, backup } = await written()
    await expect(remove(bench, { ...copy, archiveId: randomUUID() })).rejects.toMatchObject({
      code: 'CK-COPY-NOT-OURS',
    })
    expect(bench.cloud.backups.has(backup.id)).toBe(true)
  })

  it('does not take the answer of a cloud without a backup service for a deletion', async () => {
    const { bench, copy, backup } = await written()
    const [service] = bench.cloud.services
    if (service !== undefined) service.state = 'down'
    await expect(remove(bench, copy)).rejects.toMatchObject({ code: 'CK-BACKUP-SERVICE-DOWN' })
    expect(bench.cloud.backups.has(backup.id)).toBe(true)
  })

  it("asks no second time, after Cinder failed, where that could take another backup's data with it", async () => {
    const { bench, copy, backup } = await written()
    const { id: volumeId } = bench.cloud.addVolume({ sizeGib: 1 })
    // as a `force` copy is of a tenant's volume, of which the tenant may make a backup meanwhile
    backup.volumeId = volumeId
    const snapshot = await bench.cloud.api.createSnapshot({ volumeId, name: 'theirs', force: true })
    let theirs = ''
    const deleteBackup = bench.cloud.api.deleteBackup.bind(bench.cloud.api)
    bench.cloud.api.deleteBackup = async (id) => {
      bench.cloud.api.deleteBackup = deleteBackup
      bench.cloud.pool.delete(backup.image ?? '')
      backup.status = 'error_deleting'
      theirs = (await bench.cloud.api.createBackup({ volumeId, snapshotId: snapshot.id, name: id })).id
      bench.cloud.advance(10_000)
    }
    await expect(remove(bench, copy)).rejects.toMatchObject({ code: 'CK-BACKUP-NOT-DELETED' })
    await expect(remove(bench, copy)).rejects.toMatchObject({ code: 'CK-COPY-REMOVAL-UNSAFE' })
    expect(bench.cloud.pool.has(bench.cloud.backups.get(theirs)?.image ?? '')).toBe(true)
  })

  it('waits for a deletion that takes hours, however old the copy is', async () => {
    const { bench, copy, backup } = await written()
    bench.cloud.advance(40 * 3_600_000)
    bench.cloud.api.deleteBackup = async (id) => {
      await Promise.resolve()
      backup.status = 'deleting'
      bench.cloud.later(() => bench.cloud.backups.delete(id), 5 * 3_600_000)
    }
    await remove(bench, copy)
    expect(bench.cloud.calls.some(({ call }) => call === 'resetStatus')).toBe(false)
  })

  it('resets what Cinder failed to delete, and deletes it then', async () => {
    const { bench, copy, backup } = await written()
    backup.status = 'error_deleting'
    await remove(bench, copy)
    expect(bench.cloud.backups.size).toBe(0)
  })
})

describe('where the driver is another than it was taken for', () => {
  /** Two copies of one volume, made by the way of chunked drivers, on hosts that run Ceph's: the second fails. */
  async function trapped(options: { learn?: boolean }) {
    const bench = fakeBench('chunked', options)
    await bench.open().writeCopy(await bench.capture(), null, contextFor().context)
    bench.cloud.running.driver = 'ceph'
    const capture = await bench.capture()
    const good = await bench.open().writeCopy(capture, null, contextFor().context)
    bench.cloud.running.driver = 'ceph'
    const { volumeId } = capture.volume
    const second = await bench.captureAgain(capture)
    const { metadata = {} } = bench.cloud.backups.get(good.ref['backupId'] ?? '') ?? {}
    const manifest = readManifest(metadata)
    if (!('manifest' in manifest)) throw new Error(manifest.unreadable)
    const { archiveId, snapshotId } = second
    // what was read may be shorter than what was written, and a piece left over would make it unreadable
    const marks = Object.fromEntries(Object.entries(metadata).filter(([key]) => !/^ck:\d+$/.test(key)))
    const written = { ...marks, ...manifestToMetadata({ ...manifest.manifest, archiveId, snapshotId }) }
    expect(readManifest(written)).toHaveProperty('manifest')
    const made = await bench.cloud.api.createBackup({
      ...{ volumeId, snapshotId, name: `ck-${volumeId}-${archiveId}-cinder` },
      metadata: written,
    })
    bench.cloud.advance(10_000)
    expect(bench.cloud.backups.get(made.id)).toMatchObject({ status: 'error', failReason: 'rbd.ImageExists' })
    return { bench, capture, good, failed: made.id, archive: { archiveId, volumeId } }
  }

  it.each([{}, { learn: true }])('destroys no copy by clearing a failed one away (%j)', async (options) => {
    const { bench, capture, good, failed, archive } = await trapped(options)
    await bench.open().removeTemporaries(archive, contextFor().context)
    expect(bench.cloud.backups.has(failed)).toBe(true)
    const verification = await bench.open().verifyCopy(good, capture, contextFor().context)
    expect(verification).toMatchObject({ state: 'verified' })
  })

  it('asks the record of the copy itself before removing it, not what its manifest took the driver for', async () => {
    const { bench, good, failed } = await trapped({})
    expect(bench.cloud.backups.get(good.ref['backupId'] ?? '')).toMatchObject({ driver: 'ceph' })
    await expect(remove(bench, good)).rejects.toMatchObject({ code: 'CK-COPY-REMOVAL-UNSAFE' })
    bench.cloud.backups.delete(failed)
    await remove(bench, good)
    expect(bench.cloud.backups.has(good.ref['backupId'] ?? '')).toBe(false)
  })

  it("removes a copy that Cinder's record proves to lie elsewhere, whatever became of the volume's other backups", async () => {
    const { bench, capture, copy } = await written('chunked')
    const { volumeId } = capture.volume
    bench.cloud.failures.push({ job: 'backup', reason: 'no space' })
    await bench.cloud.api.createBackup({ volumeId, snapshotId: capture.snapshotId, name: 'theirs' })
    bench.cloud.advance(10_000)
    await remove(bench, copy)
    expect([...bench.cloud.backups.values()]).toMatchObject([{ name: 'theirs', status: 'error' }])
  })

  it("clears a failed one away where Cinder's records prove that no other lies on Ceph", async () => {
    const bench = fakeBench('chunked')
    const capture = await bench.capture()
    await bench.open().writeCopy(capture, null, contextFor().context)
    const second = await bench.captureAgain(capture)
    bench.cloud.failures.push({ job: 'backup', reason: 'no space' }, { job: 'backup', reason: 'no space' })
    await expect(bench.open().writeCopy(second, null, contextFor().context)).rejects.toThrow('no space')
    const archive = { archiveId: second.archiveId, volumeId: second.volume.volumeId }
    await bench.open().removeTemporaries(archive, contextFor().context)
    expect(bench.cloud.backups.size).toBe(1)
  })
})

describe('removing temporaries', () => {
  it("leaves a tenant's volume alone onto which a restore wrote our name and marks", async () => {
    const { bench, capture, backup } = await written()
    const archive = { archiveId: capture.archiveId, volumeId: capture.volume.volumeId }
    const restored = bench.cloud.addVolume({
      sizeGib: 1,
      name: temporaryName(capture.archiveId, 'cinder'),
      metadata: { ...backup.volumeMetadata, src_backup_id: backup.id },
    })
    expect(restored.metadata).toMatchObject({ 'ck:purpose': 'temporary', 'ck:archive': capture.archiveId })
    await bench.open().removeTemporaries(archive, contextFor().context)
    expect(bench.cloud.volumes.has(restored.id)).toBe(true)
  })

  it.each(['verified', 'suspect', 'damaged'] as const)(
    'leaves a copy alone that was found %s, although Cinder calls it failed since then',
    async (state) => {
      const { bench, capture, copy, backup } = await written()
      const mark = { state, rootHash: null, verifiedAt: null, reason: null }
      await bench.open().markCopy(copy, mark, contextFor().context)
      backup.status = 'error'
      const archive = { archiveId: capture.archiveId, volumeId: capture.volume.volumeId }
      await bench.open().removeTemporaries(archive, contextFor().context)
      expect(bench.cloud.backups.has(backup.id)).toBe(true)
      const again = await bench.open().writeCopy(capture, null, contextFor().context)
      expect(again.ref).not.toEqual(copy.ref)
      expect(bench.cloud.backups.has(backup.id)).toBe(true)
    },
  )

  it('leaves the volumes of another installation alone', async () => {
    const bench = fakeBench('ceph')
    const capture = await bench.capture()
    await expect(bench.open().writeCopy(capture, null, contextFor(2).context)).rejects.toThrow(/killed/)
    const [theirs] = [...bench.cloud.volumes.values()].filter(({ name }) => name.endsWith('-temp'))
    if (theirs !== undefined) theirs.metadata['ck:installation'] = randomUUID()
    const archive = { archiveId: capture.archiveId, volumeId: capture.volume.volumeId }
    await bench.open().removeTemporaries(archive, contextFor().context)
    expect(bench.cloud.volumes.has(theirs?.id ?? '')).toBe(true)
  })

  it('removes a failed backup, but not one that could take data of another with it', async () => {
    const bench = fakeBench('ceph')
    const capture = await bench.capture()
    const archive = { archiveId: capture.archiveId, volumeId: capture.volume.volumeId }
    bench.cloud.failures.push({ job: 'backup', reason: 'no space' })
    await expect(bench.open().writeCopy(capture, null, contextFor().context)).rejects.toThrow()
    const [failed] = [...bench.cloud.backups.values()]
    const volumeId = failed?.volumeId ?? ''
    const theirs = await bench.cloud.api.createBackup({ volumeId, name: 'theirs' })
    await bench.open().removeTemporaries(archive, contextFor().context)
    expect(bench.cloud.backups.has(failed?.id ?? '')).toBe(true)
    bench.cloud.backups.delete(theirs.id)
    await bench.open().removeTemporaries(archive, contextFor().context)
    expect(bench.cloud.backups.size).toBe(0)
  })
})
