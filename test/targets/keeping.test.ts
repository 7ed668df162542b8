import { randomUUID } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { silentLog, type LogFields } from '../../log/log.js'
import { manifestToMetadata, readManifest } from '../../targets/cinder-backup/manifest.js'
import { targetsOptions } from '../../targets/options.js'
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

describe('listing copies', () => {
  it('leaves out those of other installations', async () => {
    const { bench, backup, capture } = await written()
    backup.metadata['ck:installation'] = randomUUID()
    expect(await bench.open().listCopies(capture.volume.volumeId, contextFor().context)).toEqual([])
  })

  it('leaves out those of other targets, whose names may contain its own, and adopts or removes none', async () => {
    const { bench, backup, capture, copy } = await written('chunked')
    const read = readManifest(backup.metadata)
    if (!('manifest' in read)) throw new Error(read.unreadable)
    backup.name = `${backup.name}-2`
    // what was read may be shorter than what was written
    const rest = Object.entries(backup.metadata).filter(([key]) => !/^ck:\d+$/.test(key))
    const theirs = manifestToMetadata({ ...read.manifest, target: 'cinder-2' })
    backup.metadata = { ...Object.fromEntries(rest), ...theirs }
    expect(readManifest(backup.metadata)).toHaveProperty('manifest')
    expect(await bench.open().listCopies(capture.volume.volumeId, contextFor().context)).toEqual([])
    await expect(remove(bench, copy)).rejects.toMatchObject({ code: 'CK-COPY-NOT-OURS' })
    const own = await bench.open().writeCopy(capture, null, contextFor().context)
    expect(own.ref).not.toEqual(copy.ref)
    backup.status = 'error'
    const archive = { archiveId: capture.archiveId, volumeId: capture.volume.volumeId }
    await bench.open().removeTemporaries(archive, contextFor().context)
    expect([...bench.cloud.backups.keys()]).toEqual([backup.id, own.ref['backupId']])
  })

  it('believes the manifest, not the name, about whose copy it is', async () => {
    const { bench, backup, capture } = await written()
    const other = randomUUID()
    backup.name = `ck-${other}-${capture.archiveId}-cinder`
    expect(await bench.open().listCopies(other, contextFor().context)).toEqual([])
  })

  it('reports one without a readable manifest in the log, and does not touch it', async () => {
    const { bench, backup, capture, copy } = await written()
    backup.metadata['ck:0'] = '{'
    const warnings: LogFields[] = []
    const log = { ...silentLog, warn: (fields: LogFields) => warnings.push(fields), child: () => log }
    expect(await bench.open(log).listCopies(null, contextFor().context)).toEqual([])
    expect(warnings).toMatchObject([{ code: 'CK-MANIFEST-UNREADABLE', backup: backup.id }])
    await expect(remove(bench, copy)).rejects.toMatchObject({ code: 'CK-COPY-NOT-OURS' })
    await bench.open().removeTemporaries({ ...capture, volumeId: capture.volume.volumeId }, contextFor().context)
    expect(bench.cloud.backups.has(backup.id)).toBe(true)
  })

  it('tells a copy that is being written or removed from a finished one', async () => {
    const { bench, backup, capture } = await written()
    const states = []
    for (const status of ['creating', 'available', 'restoring', 'deleting', 'error']) {
      backup.status = status
      const copies = await bench.open().listCopies(capture.volume.volumeId, contextFor().context)
      states.push(copies.map(({ state }) => state))
    }
    expect(states).toEqual([['writing'], ['unverified'], ['unverified'], ['removing'], []])
  })
})

describe('restoring a copy', () => {
  it.each(['ceph', 'chunked'] as const)(
    'leaves the metadata of the archived volume and no mark of ours (%s)',
    async (driver) => {
      const { bench, capture, copy } = await written(driver)
      const { id: volumeId } = bench.cloud.addVolume({ sizeGib: 1 })
      await bench.open().restoreCopy(copy, { kind: 'volume', volumeId }, contextFor().context)
      const restored = bench.cloud.volumes.get(volumeId)
      expect(restored?.metadata).toEqual(capture.volume.metadata)
      expect(restored?.name).toBe('db-data')
    },
  )

  it('restores nothing from a backup that does not say that it is ours', async () => {
    const { bench, copy, backup } = await written()
    backup.metadata['ck:installation'] = randomUUID()
    const { id: volumeId } = bench.cloud.addVolume({ sizeGib: 1 })
    await expect(
      bench.open().restoreCopy(copy, { kind: 'volume', volumeId }, contextFor().context),
    ).rejects.toMatchObject({ code: 'CK-COPY-NOT-OURS' })
    expect(bench.cloud.calls.some(({ call }) => call === 'restoreBackup')).toBe(false)
  })

  it('refuses a volume that is too small or in use, and reports a failed restore', async () => {
    const bench = fakeBench('ceph')
    const { id } = bench.cloud.addVolume({ sizeGib: 2, name: 'two' })
    const copy = await bench.open().writeCopy(await bench.captureOf(id), null, contextFor().context)
    const into = async (volumeId: string): Promise<void> =>
      bench.open().restoreCopy(copy, { kind: 'volume', volumeId }, contextFor().context)
    const small = bench.cloud.addVolume({ sizeGib: 1 })
    await expect(into(small.id)).rejects.toMatchObject({ code: 'CK-RESTORE-DESTINATION' })
    const used = bench.cloud.addVolume({ sizeGib: 2, status: 'in-use' })
    await expect(into(used.id)).rejects.toMatchObject({ code: 'CK-RESTORE-DESTINATION' })
    bench.cloud.failures.push({ job: 'restore', reason: '' })
    const good = bench.cloud.addVolume({ sizeGib: 2 })
    await expect(into(good.id)).rejects.toMatchObject({ code: 'CK-RESTORE-FAILED' })
  })
})

describe('options of targets', () => {
  const faults = (targets: unknown): string[] =>
    (targetsOptions.safeParse(targets).error?.issues ?? []).map(({ path, message }) => `${path.join('.')}: ${message}`)

  it('accept a cinder-backup target and fill the defaults in', () => {
    expect(targetsOptions.parse({ cinder: { kind: 'cinder-backup' } })).toEqual({
      cinder: { kind: 'cinder-backup', chain: 6, restoreRetrySeconds: 600 },
    })
  })

  it.each(['vault', 'tape'])('refuse a target of kind %s with the reason', (kind) => {
    expect(faults({ there: { kind, pool: 'archives' } })).toEqual([
      expect.stringMatching(/^there\.kind: not available yet: /),
    ])
  })

  it('accept a ceph target, its bandwidth as people write it, and no key or user that cannot be one', () => {
    const second = {
      kind: 'ceph',
      conf: '/etc/ceph/dr.conf',
      users: { write: 'ck-write', remove: 'ck-remove' },
      pool: 'archives',
      macKey: { file: '/etc/cinderkeep/mac.key' },
    }
    expect(targetsOptions.parse({ second })).toEqual({
      second: { ...second, keyrings: {}, compare: 32, sameCluster: false },
    })
    expect(targetsOptions.parse({ second: { ...second, bandwidth: '1.5MiB' } })['second']).toMatchObject({
      bandwidth: 1_572_864,
    })
    expect(faults({ second: { ...second, bandwidth: 'quick' } })).toHaveLength(1)
    expect(faults({ second: { ...second, users: { write: 'client.ck-write', remove: 'r' } } })).toHaveLength(1)
    expect(faults({ second: { ...second, compare: 0 } })).toHaveLength(1)
    expect(faults({ second: { ...second, pool: 'a/b' } })).toHaveLength(1)
  })

  it('refuse no permits at all, a container for Ceph, and names that would not fit', () => {
    expect(faults({ cinder: { kind: 'cinder-backup', permits: 2 } })).toEqual([])
    expect(faults({ cinder: { kind: 'cinder-backup', permits: 0 } })).toHaveLength(1)
    expect(faults({ cinder: { kind: 'cinder-backup', container: 'x' } })).toEqual([
      expect.stringMatching(/driver: chunked/),
    ])
    expect(faults({ ['x'.repeat(64)]: { kind: 'cinder-backup' } })).toHaveLength(1)
    expect(faults({ cinder: { kind: 'cinder-backup', driver: 'chunked', container: 'x' } })).toEqual([])
  })
})
