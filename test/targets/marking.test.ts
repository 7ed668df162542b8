import { randomUUID } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  manifestToMetadata,
  markToMetadata,
  readManifest,
  readMark,
  type Manifest,
} from '../../targets/cinder-backup/manifest.js'
import type { Capture, Copy } from '../../targets/target.js'
import { contextFor } from './contract.js'
import { fakeBench } from './fake-bench.js'

async function written(driver: 'ceph' | 'chunked' = 'ceph') {
  const bench = fakeBench(driver)
  const capture = await bench.capture()
  const copy = await bench.open().writeCopy(capture, null, contextFor().context)
  const backup = bench.cloud.backups.get(copy.ref['backupId'] ?? '')
  if (backup === undefined) throw new Error('no backup')
  return { bench, capture, copy, backup }
}

describe('manifest and mark', () => {
  it('come back as they were written, in pieces that Cinder accepts, whatever characters the tenant used', () => {
    const text = fc.string({ unit: 'grapheme', maxLength: 300 })
    // zod leaves this key out of what it reads, on purpose
    const key = text.filter((one) => one !== '__proto__')
    fc.assert(
      fc.property(text, text, fc.dictionary(key, text), (name, slot, metadata) => {
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

describe('marking a copy', () => {
  const mark = { state: 'verified', rootHash: 'sha256-4m:1', verifiedAt: '2026-11-23T03:00:00Z', reason: null } as const

  it('compares the bytes that were hashed when the capture of an image of no whole GiB is gone', async () => {
    const { bench, capture, copy } = await written()
    const verify = async (one: Copy, from: Capture | null) => bench.open().verifyCopy(one, from, contextFor().context)
    bench.cloud.trueSizes.set(capture.snapshotId, 2 ** 30 - 5 * 2 ** 20)
    const { state, rootHash, hashedBytes, reason } = await verify(copy, capture)
    expect({ state, hashedBytes }).toEqual({ state: 'verified', hashedBytes: 2 ** 30 - 5 * 2 ** 20 })
    const mark = { state, rootHash, hashedBytes, reason, verifiedAt: '2026-11-23T03:00:00Z' }
    const marked = await bench.open().markCopy(copy, mark, contextFor().context)
    await bench.release(capture)
    expect(await verify(marked, null)).toMatchObject({ state: 'verified' })
    // one that knows only what is written on the target
    const [listed] = await bench.open().listCopies(capture.volume.volumeId, contextFor().context)
    if (listed === undefined) throw new Error('the copy is not listed')
    expect(await verify(listed, null)).toMatchObject({ state: 'verified' })
    expect(await verify({ ...listed, rootHash: null }, null)).toMatchObject({ state: 'verified' })
  })

  it('writes the mark again when somebody puts back what was there before', async () => {
    const { bench, copy, backup } = await written()
    const old = structuredClone(backup.metadata)
    const update = bench.cloud.api.updateBackup.bind(bench.cloud.api)
    bench.cloud.api.updateBackup = async (id, change) => {
      bench.cloud.api.updateBackup = update
      await update(id, change)
      await update(id, { metadata: old })
    }
    await bench.open().markCopy(copy, mark, contextFor().context)
    expect(readMark(backup.metadata)).toEqual(mark)
  })

  it('writes nothing on a backup that does not say that it is ours', async () => {
    const { bench, copy, backup } = await written()
    backup.metadata = { billing: 'team-7' }
    await expect(bench.open().markCopy(copy, mark, contextFor().context)).rejects.toMatchObject({
      code: 'CK-COPY-NOT-OURS',
    })
    expect(backup.metadata).toEqual({ billing: 'team-7' })
  })

  it('gives up, and says so, when somebody puts it back for ever', async () => {
    const { bench, copy } = await written()
    bench.cloud.api.updateBackup = async () => Promise.resolve()
    await expect(bench.open().markCopy(copy, mark, contextFor().context)).rejects.toMatchObject({
      code: 'CK-MARK-NOT-KEPT',
    })
  })

  it('is never undone by an attempt to read back that wakes up late: notes of those change no metadata', async () => {
    const { bench, capture, copy } = await written()
    await bench.open().verifyCopy(copy, capture, contextFor().context)
    const changes = bench.cloud.calls
      .filter(({ call }) => call === 'updateBackup')
      .map(({ argument }) => (argument as { change: object }).change)
    expect(changes).toHaveLength(2)
    expect(changes.every((change) => Object.keys(change).join() === 'description')).toBe(true)
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
