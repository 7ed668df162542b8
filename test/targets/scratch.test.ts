/** Whose a volume is that is taken for our temporary or scratch one: what is not provably ours is left alone. */
import { randomUUID } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { scratchName } from '../../targets/cinder-backup/names.js'
import type { Capture } from '../../targets/target.js'
import { contextFor } from './contract.js'
import { fakeBench, type FakeBench } from './fake-bench.js'
import { codeError } from './fake-world.js'

async function written() {
  const bench = fakeBench('ceph')
  const capture = await bench.capture()
  const copy = await bench.open().writeCopy(capture, null, contextFor().context)
  const backup = bench.cloud.backups.get(copy.ref['backupId'] ?? '')
  if (backup === undefined) throw new Error('no backup')
  const verify = async () => bench.open().verifyCopy(copy, capture, contextFor().context)
  return { bench, capture, copy, backup, verify }
}

const clear = async (bench: FakeBench, { archiveId, volume }: Capture): Promise<void> =>
  bench.open().removeTemporaries({ archiveId, volumeId: volume.volumeId }, contextFor().context)

describe('a scratch volume', () => {
  it('is none of ours by its name alone', async () => {
    const { bench, capture, verify } = await written()
    const theirs = bench.cloud.addVolume({ sizeGib: 1, name: scratchName(capture.archiveId, 'cinder') })
    expect(await verify()).toMatchObject({ state: 'verified' })
    await clear(bench, capture)
    expect(bench.cloud.volumes.has(theirs.id)).toBe(true)
    expect(bench.cloud.calls.filter(({ call }) => call === 'restoreBackup')).toMatchObject([
      { argument: { volumeId: expect.not.stringContaining(theirs.id) as unknown } },
    ])
  })

  it('is none of ours by the note on the backup alone', async () => {
    const { bench, capture, backup, verify } = await written()
    const theirs = bench.cloud.addVolume({ sizeGib: 1, name: 'db-data-2', metadata: { src_backup_id: randomUUID() } })
    backup.description = `Cinderkeep: a copy [ck:scratch ${theirs.id}]`
    await clear(bench, capture)
    expect(bench.cloud.volumes.has(theirs.id)).toBe(true)
    backup.description = `Cinderkeep: a copy [ck:scratch ${theirs.id}]`
    expect(await verify()).toMatchObject({ state: 'verified' })
    expect(bench.cloud.volumes.has(theirs.id)).toBe(true)
  })

  it('is ours under another name when it was restored from the backup that names it', async () => {
    const { bench, capture, backup, verify } = await written()
    bench.cloud.faults.push({ call: 'updateVolume', error: codeError('CK-CLOUD-UNAVAILABLE') })
    await expect(verify()).rejects.toMatchObject({ code: 'CK-CLOUD-UNAVAILABLE' })
    const [scratch] = [...bench.cloud.volumes.values()].filter(({ name }) => name.endsWith('-verify'))
    if (scratch === undefined) throw new Error('no scratch volume')
    scratch.name = 'renamed'
    expect(backup.description).toContain(scratch.id)
    await clear(bench, capture)
    expect(bench.cloud.volumes.has(scratch.id)).toBe(false)
    expect(await bench.leftovers(capture)).toEqual([])
  })

  it('names itself before a restore may write marks of another volume onto it', async () => {
    const { bench, verify } = await written()
    await verify()
    const { calls } = bench.cloud
    const restored = calls.findIndex(({ call }) => call === 'restoreBackup')
    const { volumeId } = calls[restored]?.argument as { volumeId: string }
    const before = calls.slice(0, restored).filter(({ call }) => call === 'setVolumeMetadata')
    expect(before.map(({ argument }) => argument)).toContainEqual({ id: volumeId, metadata: { 'ck:self': volumeId } })
  })

  it('is made of the type of the archived volume, of another only when that is gone, and never so if it is encrypted', async () => {
    for (const encrypted of [false, true]) {
      const bench = fakeBench('ceph')
      const capture = await bench.capture()
      const volume = { ...capture.volume, encrypted }
      const copy = await bench.open().writeCopy({ ...capture, volume }, null, contextFor().context)
      bench.cloud.faults.push({ call: 'createVolume', error: codeError('CK-CLOUD-NOT-FOUND') })
      const verifying = bench.open().verifyCopy(copy, capture, contextFor().context)
      if (encrypted) await expect(verifying).rejects.toMatchObject({ code: 'CK-CLOUD-NOT-FOUND' })
      else expect(await verifying).toMatchObject({ state: 'verified' })
    }
  })

  it('is restored into once although the answer was lost and the restore came and went between two looks', async () => {
    const { bench, verify } = await written()
    bench.cloud.faults.push({ call: 'restoreBackup', what: 'lost', lateMs: 50_000 })
    expect(await verify()).toMatchObject({ state: 'verified' })
    expect(bench.cloud.calls.filter(({ call }) => call === 'restoreBackup')).toHaveLength(1)
  })
})

describe('a temporary volume', () => {
  it('is found after a kill although the archived volume carries marks of a copy that it was restored from', async () => {
    const bench = fakeBench('ceph')
    const { volume } = await bench.capture()
    const source = bench.cloud.volumes.get(volume.volumeId)
    Object.assign(source?.metadata ?? {}, { 'ck:self': randomUUID(), 'ck:purpose': 'temporary' })
    const capture = await bench.captureOf(volume.volumeId)
    await expect(bench.open().writeCopy(capture, null, contextFor(2).context)).rejects.toThrow(/killed/)
    expect(await bench.leftovers(capture)).not.toEqual([])
    await clear(bench, capture)
    expect(await bench.leftovers(capture)).toEqual([])
  })

  it.each(['deleting', 'error', 'error_deleting'])('is not made of a snapshot that is %s', async (status) => {
    const bench = fakeBench('ceph')
    const capture = await bench.capture()
    Object.assign(bench.cloud.snapshots.get(capture.snapshotId) ?? {}, { status })
    await expect(bench.open().writeCopy(capture, null, contextFor().context)).rejects.toMatchObject({
      code: 'CK-CAPTURE-LOST',
    })
    expect(await bench.leftovers(capture)).toEqual([])
  })
})
