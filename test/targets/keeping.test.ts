import { randomUUID } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { silentLog, type LogFields } from '../../log/log.js'
import {
  manifestToMetadata,
  markToMetadata,
  readManifest,
  readMark,
  type Manifest,
} from '../../targets/cinder-backup/manifest.js'
import { temporaryName } from '../../targets/cinder-backup/names.js'
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

describe('manifest and mark', () => {
  it('come back as they were written, in pieces that Cinder accepts, whatever characters the tenant used', () => {
    const text = fc.string({ unit: 'grapheme', maxLength: 300 })
    fc.assert(
      fc.property(text, text, fc.dictionary(text, text), (name, slot, metadata) => {
        const manifest = exampleManifest({ name, slot, metadata })
        const pieces = manifestToMetadata(manifest)
        for (const [key, value] of Object.entries(pieces)) {
          expect(key).toMatch(/^ck:\d+$/)
          expect(value).toMatch(/^[\x20-\x7e]{1,255}$/)
        }
        expect(readManifest(pieces)).toEqual({ manifest })
      }),
    )
  })

  it('fit into one value whatever the reason is, and keep the rest whole', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 400 }), (reason) => {
        const mark = { state: 'damaged', rootHash: `sha256-4m:${'0'.repeat(64)}`, verifiedAt: null, reason } as const
        const written = markToMetadata(mark)
        expect(written['ck:state']?.length).toBeLessThanOrEqual(255)
        const { reason: kept, ...rest } = readMark(written)
        expect(rest).toEqual({ state: mark.state, rootHash: mark.rootHash, verifiedAt: null })
        expect(reason.startsWith((kept ?? '').replace(/\.\.\.$/, ''))).toBe(true)
      }),
    )
  })

  it('are nothing that is believed when a piece is missing', () => {
    const rest = manifestToMetadata(exampleManifest({ name: 'x'.repeat(600) }))
    Reflect.deleteProperty(rest, 'ck:1')
    expect(readManifest(rest)).toHaveProperty('unreadable')
    expect(readManifest({})).toHaveProperty('unreadable')
  })

  it('leave what others wrote on the backup alone', async () => {
    const { bench, copy, backup } = await written()
    backup.metadata['billing'] = 'team-7'
    const mark = {
      state: 'verified',
      rootHash: 'sha256-4m:1',
      verifiedAt: '2026-11-23T03:00:00Z',
      reason: null,
    } as const
    await bench.open().markCopy(copy, mark, contextFor().context)
    expect(backup.metadata).toMatchObject({ billing: 'team-7', 'ck:installation': backup.metadata['ck:installation'] })
    expect(backup.metadata['ck:0']).toBeDefined()
  })
})

describe('listing copies', () => {
  it('leaves out those of other installations', async () => {
    const { bench, backup, capture } = await written()
    backup.metadata['ck:installation'] = randomUUID()
    expect(await bench.open().listCopies(capture.volume.volumeId, contextFor().context)).toEqual([])
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
    // as after a `force` copy: both are of one volume
    backup.volumeId = volumeId
    await expect(remove(bench, copy)).rejects.toMatchObject({ code: 'CK-COPY-REMOVAL-UNSAFE' })
    expect(bench.cloud.pool.has(bench.cloud.backups.get(theirs.id)?.image ?? '')).toBe(true)
    expect(bench.cloud.backups.has(backup.id)).toBe(true)
  })

  it('refuses it while Cinder reads it', async () => {
    const { bench, copy, backup } = await written()
    backup.status = 'restoring'
    await expect(remove(bench, copy)).rejects.toMatchObject({ code: 'CK-COPY-BUSY' })
  })

  it('does not take the answer of a cloud without a backup service for a deletion', async () => {
    const { bench, copy, backup } = await written()
    const [service] = bench.cloud.services
    if (service !== undefined) service.state = 'down'
    await expect(remove(bench, copy)).rejects.toMatchObject({ code: 'CK-BACKUP-SERVICE-DOWN' })
    expect(bench.cloud.backups.has(backup.id)).toBe(true)
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
    const made = await bench.cloud.api.createBackup({
      ...{ volumeId, snapshotId, name: `ck-${volumeId}-${archiveId}-cinder` },
      metadata: { ...metadata, ...manifestToMetadata({ ...manifest.manifest, archiveId, snapshotId }) },
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

describe('options of targets', () => {
  const faults = (targets: unknown): string[] =>
    (targetsOptions.safeParse(targets).error?.issues ?? []).map(({ path, message }) => `${path.join('.')}: ${message}`)

  it('accept a cinder-backup target and fill the defaults in', () => {
    expect(targetsOptions.parse({ cinder: { kind: 'cinder-backup' } })).toEqual({
      cinder: { kind: 'cinder-backup', chain: 6 },
    })
  })

  it.each(['ceph', 'vault', 'tape'])('refuse a target of kind %s with the reason', (kind) => {
    expect(faults({ there: { kind, pool: 'archives' } })).toEqual([
      expect.stringMatching(/^there\.kind: not available yet: /),
    ])
  })

  it('refuse permits with the reason, a container for Ceph, and names that would not fit', () => {
    expect(faults({ cinder: { kind: 'cinder-backup', permits: 2 } })).toEqual([
      expect.stringMatching(/^cinder\.permits: not available yet: /),
    ])
    expect(faults({ cinder: { kind: 'cinder-backup', container: 'x' } })).toEqual([
      expect.stringMatching(/driver: chunked/),
    ])
    expect(faults({ ['x'.repeat(64)]: { kind: 'cinder-backup' } })).toHaveLength(1)
    expect(faults({ cinder: { kind: 'cinder-backup', driver: 'chunked', container: 'x' } })).toEqual([])
  })
})

function exampleManifest(given: { name?: string; slot?: string; metadata?: Record<string, string> }): Manifest {
  return {
    format: 1,
    installation: randomUUID(),
    target: 'cinder',
    point: '2026-11-23T02:00:00Z-7f3a91c2',
    archiveId: randomUUID(),
    archive: 'archive/1/manual:1/1',
    slot: given.slot ?? 'manual:1',
    group: null,
    capturedAt: '2026-11-23T02:00:00Z',
    consistency: 'detached',
    watchers: 'none',
    sizeBytes: 2 ** 30,
    snapshotId: randomUUID(),
    driver: 'ceph',
    way: 'temporary',
    base: null,
    chain: 0,
    volume: {
      volumeId: randomUUID(),
      host: null,
      nameId: null,
      name: given.name ?? 'db-data',
      description: null,
      sizeGib: 1,
      projectId: 'project',
      userId: null,
      type: 'ceph',
      availabilityZone: null,
      bootable: false,
      multiattach: false,
      encrypted: false,
      encryptionKeyId: null,
      metadata: given.metadata ?? {},
      imageMetadata: {},
      attachments: [],
    },
  }
}
