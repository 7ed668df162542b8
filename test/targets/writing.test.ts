import { describe, expect, it } from 'vitest'
import { readManifest } from '../../targets/cinder-backup/manifest.js'
import type { Capture, Copy } from '../../targets/target.js'
import { contextFor } from './contract.js'
import { fakeBench, type FakeBench } from './fake-bench.js'
import { codeError, type Fault } from './fake-world.js'

const write = async (bench: FakeBench, capture: Capture): Promise<Copy> =>
  bench.open().writeCopy(capture, null, contextFor().context)

const requested = (bench: FakeBench): Record<string, unknown>[] =>
  bench.cloud.calls
    .filter(({ call }) => call === 'createBackup')
    .map(({ argument }) => argument as Record<string, unknown>)

async function backupBySomebody(bench: FakeBench, request: Partial<Record<string, unknown>> & { volumeId: string }) {
  const made = await bench.cloud.api.createBackup({ name: 'nightly', ...request })
  bench.cloud.advance(10_000)
  return made.id
}

describe('writing with the Ceph driver', () => {
  it('backs up a temporary volume and never a snapshot', async () => {
    const bench = fakeBench('ceph')
    const capture = await bench.capture()
    await write(bench, capture)
    const [request] = requested(bench)
    expect(requested(bench)).toHaveLength(1)
    expect(request).not.toHaveProperty('snapshotId')
    expect(request?.['volumeId']).not.toBe(capture.volume.volumeId)
  })

  it('cuts a long description between characters, as Cinder counts them', async () => {
    const bench = fakeBench('ceph')
    const capture = await bench.capture()
    for (const name of ['🐘'.repeat(255), `a${'🐘'.repeat(254)}`]) {
      await write(bench, await bench.captureOf(capture.volume.volumeId, { volume: { ...capture.volume, name } }))
      const description = requested(bench).at(-1)?.['description'] as string
      expect(Array.from(description)).toHaveLength(255)
      expect(description).toMatch(/🐘$/u)
    }
  })

  it("gives the temporary volume the source's metadata, for a restore without us to find it", async () => {
    const bench = fakeBench('ceph')
    const capture = await bench.capture()
    const copy = await write(bench, capture)
    expect(bench.cloud.backups.get(copy.ref['backupId'] ?? '')?.volumeMetadata).toMatchObject(capture.volume.metadata)
  })

  it('makes the temporary volume anew when it was made from another snapshot', async () => {
    const bench = fakeBench('ceph')
    const first = await bench.capture()
    const killed = contextFor(2)
    await expect(bench.open().writeCopy(first, null, killed.context)).rejects.toThrow(/killed/)
    expect(await bench.leftovers(first)).not.toEqual([])
    bench.cloud.contents.set(first.volume.volumeId, new Map([[0, Buffer.from('later')]]))
    const second = await bench.captureOf(first.volume.volumeId, { archiveId: first.archiveId })
    const copy = await write(bench, second)
    expect(await bench.open().verifyCopy(copy, second, contextFor().context)).toMatchObject({ state: 'verified' })
  })

  it('does not take the copy of an earlier capture of the same archive for one of this', async () => {
    for (const driver of ['ceph', 'chunked'] as const) {
      const bench = fakeBench(driver)
      const first = await bench.capture()
      const early = await write(bench, first)
      bench.cloud.contents.set(first.volume.volumeId, new Map([[0, Buffer.from('later')]]))
      const second = await bench.captureOf(first.volume.volumeId, { archiveId: first.archiveId })
      const late = await write(bench, second)
      expect(late.ref).not.toEqual(early.ref)
      expect(late.snapshotId).toBe(second.snapshotId)
      expect(await bench.open().verifyCopy(late, second, contextFor().context)).toMatchObject({ state: 'verified' })
      expect(await bench.open().verifyCopy(early, first, contextFor().context)).toMatchObject({ state: 'verified' })
      expect(bench.cloud.backups.size).toBe(2)
    }
  })

  it('makes the temporary volume anew when Cinder failed to make it', async () => {
    const bench = fakeBench('ceph')
    const capture = await bench.capture()
    bench.cloud.failures.push({ job: 'volume', reason: 'no space' })
    await expect(write(bench, capture)).rejects.toMatchObject({ code: 'CK-VOLUME-FAILED' })
    await write(bench, capture)
    expect(await bench.leftovers(capture)).toEqual([])
  })

  it("does not say that the tenant's volume is gone when another attempt removes the temporary one", async () => {
    const bench = fakeBench('ceph')
    const capture = await bench.capture()
    const { context } = contextFor()
    context.report = ({ phase }) => {
      if (!phase.endsWith('-temp is creating')) return
      for (const { id, name } of [...bench.cloud.volumes.values()]) {
        if (name.endsWith('-temp')) bench.cloud.volumes.delete(id)
      }
    }
    await expect(bench.open().writeCopy(capture, null, context)).rejects.toMatchObject({ code: 'CK-SCRATCH-GONE' })
  })

  it('deletes its own failed backup before the next try', async () => {
    const bench = fakeBench('ceph')
    const capture = await bench.capture()
    bench.cloud.failures.push({ job: 'backup', reason: 'RBD diff op failed' })
    await expect(write(bench, capture)).rejects.toMatchObject({
      code: 'CK-BACKUP-FAILED',
      message: expect.stringMatching(/RBD diff op failed; Backup driver failed to create backup/) as unknown,
    })
    const copy = await write(bench, capture)
    expect([...bench.cloud.backups.keys()]).toEqual([copy.ref['backupId']])
  })

  it('does not delete a failed backup while another of the same volume could share its base image', async () => {
    const bench = fakeBench('ceph')
    const capture = await bench.capture()
    bench.cloud.failures.push({ job: 'backup', reason: 'RBD diff op failed' })
    await expect(write(bench, capture)).rejects.toMatchObject({ code: 'CK-BACKUP-FAILED' })
    const [failed] = [...bench.cloud.backups.values()]
    const volumeId = failed?.volumeId ?? ''
    const snapshot = await bench.cloud.api.createSnapshot({ volumeId, name: 'theirs', force: true })
    const theirs = await backupBySomebody(bench, { volumeId, snapshotId: snapshot.id })
    const copy = await write(bench, capture)
    expect(bench.cloud.backups.get(failed?.id ?? '')?.status).toBe('error')
    expect(bench.cloud.backups.get(copy.ref['backupId'] ?? '')?.name).toBe(`${failed?.name ?? ''}-2`)
    expect(bench.cloud.pool.has(bench.cloud.backups.get(theirs)?.image ?? '')).toBe(true)
  })
})

describe('writing when answers are lost', () => {
  const faults: [string, Fault][] = [
    ['the temporary volume was made', { call: 'createVolume', what: 'lost' }],
    ['the temporary volume is made a minute later', { call: 'createVolume', what: 'lost', lateMs: 55_000 }],
    ['no temporary volume was made', { call: 'createVolume', what: 'never' }],
    ['the backup was made', { call: 'createBackup', what: 'lost' }],
    ['the backup is made a minute later', { call: 'createBackup', what: 'lost', lateMs: 55_000 }],
    ['no backup was made', { call: 'createBackup', what: 'never' }],
    ['the temporary volume was deleted', { call: 'deleteVolume', what: 'lost' }],
  ]
  it.each(faults)('makes one backup although the answer was lost: %s', async (_case, fault) => {
    const bench = fakeBench('ceph')
    const capture = await bench.capture()
    bench.cloud.faults.push(fault)
    const copy = await write(bench, capture)
    expect([...bench.cloud.backups.keys()]).toEqual([copy.ref['backupId']])
    expect(await bench.leftovers(capture)).toEqual([])
    const asked = bench.cloud.calls.filter(({ call }) => call === fault.call)
    if (fault.call !== 'deleteVolume') expect(asked).toHaveLength('what' in fault && fault.what === 'never' ? 2 : 1)
  })

  it('waits for the backup of a killed attempt instead of asking for another', async () => {
    const bench = fakeBench('chunked')
    const capture = await bench.capture()
    const killed = contextFor()
    const report = killed.context.report.bind(killed.context)
    killed.context.report = (progress) => {
      report(progress)
      if (progress.phase.includes('is creating')) killed.abort.abort(new Error('killed'))
    }
    await expect(bench.open().writeCopy(capture, null, killed.context)).rejects.toThrow('killed')
    await write(bench, capture)
    expect(requested(bench)).toHaveLength(1)
  })

  it('leaves a doubled backup alone upon which another was built', async () => {
    const bench = fakeBench('chunked')
    const capture = await bench.capture()
    const copy = await write(bench, capture)
    const { name = '', volumeId = '', metadata = {} } = bench.cloud.backups.get(copy.ref['backupId'] ?? '') ?? {}
    bench.cloud.advance(5_000)
    const second = await bench.cloud.api.createBackup({ name, volumeId, metadata })
    bench.cloud.advance(5_000)
    await backupBySomebody(bench, { volumeId, incremental: true })
    expect((await write(bench, capture)).ref).toEqual(copy.ref)
    expect(bench.cloud.backups.has(second.id)).toBe(true)
  })

  it('keeps the oldest of two backups that one request made, and deletes the other', async () => {
    const bench = fakeBench('chunked')
    const capture = await bench.capture()
    const copy = await write(bench, capture)
    const first = bench.cloud.backups.get(copy.ref['backupId'] ?? '')
    const { name = '', volumeId = '', metadata = {} } = first ?? {}
    const second = await bench.cloud.api.createBackup({ name, volumeId, snapshotId: capture.snapshotId, metadata })
    expect((await write(bench, capture)).ref).toEqual(copy.ref)
    expect(bench.cloud.backups.has(second.id)).toBe(false)
  })

  it('passes a full quota on', async () => {
    const bench = fakeBench('chunked')
    const capture = await bench.capture()
    bench.cloud.faults.push({ call: 'createBackup', error: codeError('CK-CLOUD-QUOTA') })
    await expect(write(bench, capture)).rejects.toMatchObject({ code: 'CK-CLOUD-QUOTA' })
  })
})

describe('writing with a chunked driver', () => {
  it('backs up the snapshot itself, and builds upon the last sound copy until the chain is full', async () => {
    const bench = fakeBench('chunked', { chain: 2 })
    let capture = await bench.capture()
    const copies: Copy[] = []
    for (let n = 0; n < 5; n += 1) {
      copies.push(await write(bench, capture))
      capture = await bench.captureAgain(capture)
    }
    expect(requested(bench).map((request) => request['incremental'] === true)).toEqual([false, true, true, false, true])
    expect(requested(bench).every((request) => request['snapshotId'] !== undefined)).toBe(true)
    expect(copies.map(({ basePoint }) => basePoint)).toEqual([
      null,
      copies[0]?.point,
      copies[1]?.point,
      null,
      copies[3]?.point,
    ])
  })

  it('builds, as Cinder does, upon the last copy from before the snapshot, not upon a later one', async () => {
    const bench = fakeBench('chunked')
    const first = await bench.capture()
    const base = await write(bench, first)
    const second = await bench.captureAgain(first)
    const third = await bench.captureAgain(first)
    expect((await write(bench, third)).basePoint).toBe(base.point)
    const written = await write(bench, second)
    expect(written.basePoint).toBe(base.point)
    expect(bench.cloud.backups.get(written.ref['backupId'] ?? '')?.parentId).toBe(base.ref['backupId'])
  })

  it('does not build where Cinder could take either of two backups', async () => {
    const bench = fakeBench('chunked')
    const first = await bench.capture()
    const copy = await write(bench, first)
    const { dataTimestamp = null } = bench.cloud.backups.get(copy.ref['backupId'] ?? '') ?? {}
    const theirs = await backupBySomebody(bench, { volumeId: first.volume.volumeId })
    Object.assign(bench.cloud.backups.get(theirs) ?? {}, { dataTimestamp })
    expect((await write(bench, await bench.captureAgain(first))).basePoint).toBeNull()
  })

  it('never builds when chains are switched off', async () => {
    const bench = fakeBench('chunked', { chain: 0 })
    const capture = await bench.capture()
    await write(bench, capture)
    expect((await write(bench, await bench.captureAgain(capture))).basePoint).toBeNull()
  })

  it.each(['damaged', 'suspect', 'removing'] as const)('does not build upon a copy that is %s', async (state) => {
    const bench = fakeBench('chunked')
    const capture = await bench.capture()
    const copy = await write(bench, capture)
    const mark = { state, rootHash: null, verifiedAt: null, reason: null }
    await bench.open().markCopy(copy, mark, contextFor().context)
    expect((await write(bench, await bench.captureAgain(capture))).basePoint).toBeNull()
  })

  it("does not build upon somebody else's backup, nor after one that failed", async () => {
    for (const failed of [false, true]) {
      const bench = fakeBench('chunked')
      const capture = await bench.capture()
      await write(bench, capture)
      bench.cloud.advance(60_000)
      if (failed) bench.cloud.failures.push({ job: 'backup', reason: 'no space' })
      await backupBySomebody(bench, { volumeId: capture.volume.volumeId })
      expect((await write(bench, await bench.captureAgain(capture))).basePoint).toBeNull()
    }
  })

  it('does not build upon a copy of another archive that failed', async () => {
    const bench = fakeBench('chunked')
    const capture = await bench.capture()
    await write(bench, capture)
    bench.cloud.failures.push({ job: 'backup', reason: 'no space' }, { job: 'backup', reason: 'no space' })
    await expect(write(bench, await bench.captureAgain(capture))).rejects.toMatchObject({ code: 'CK-BACKUP-FAILED' })
    expect((await write(bench, await bench.captureAgain(capture))).basePoint).toBeNull()
    expect(requested(bench).map((request) => request['incremental'] === true)).toEqual([false, true, false, false])
  })

  it("does not build a new owner's copy upon the old owner's", async () => {
    const bench = fakeBench('chunked')
    const capture = await bench.capture()
    await write(bench, capture)
    const volume = bench.cloud.volumes.get(capture.volume.volumeId)
    if (volume !== undefined) volume.projectId = 'new-owner'
    const first = await write(bench, await bench.captureAgain(capture))
    expect(first).toMatchObject({ projectId: 'new-owner', basePoint: null })
    expect((await write(bench, await bench.captureAgain(capture))).basePoint).toBe(first.point)
  })

  it('makes a full backup when the volume grew', async () => {
    const bench = fakeBench('chunked')
    const capture = await bench.capture()
    await write(bench, capture)
    const volume = bench.cloud.volumes.get(capture.volume.volumeId)
    if (volume !== undefined) volume.sizeGib = 2
    expect((await write(bench, await bench.captureAgain(capture))).basePoint).toBeNull()
  })

  it('makes a full backup at once when the incremental one failed', async () => {
    const bench = fakeBench('chunked')
    const capture = await bench.capture()
    const first = await write(bench, capture)
    bench.cloud.failures.push({ job: 'backup', reason: 'Hash block size has changed since the last backup.' })
    const second = await write(bench, await bench.captureAgain(capture))
    expect(second.basePoint).toBeNull()
    expect([...bench.cloud.backups.keys()].sort()).toEqual([first.ref['backupId'], second.ref['backupId']].sort())
  })

  it('waits while another target backs up the same snapshot', async () => {
    const bench = fakeBench('chunked')
    const capture = await bench.capture()
    const create = bench.cloud.api.createBackup.bind(bench.cloud.api)
    bench.cloud.api.createBackup = async (request) => {
      bench.cloud.api.createBackup = create
      await create({ volumeId: request.volumeId, snapshotId: capture.snapshotId, name: 'of the other target' })
      return create(request)
    }
    await write(bench, capture)
    expect(requested(bench)).toHaveLength(3)
    expect([...bench.cloud.backups.values()].map(({ status }) => status)).toEqual(['available', 'available'])
  })

  it('asks no second time when Cinder refuses for another reason', async () => {
    const bench = fakeBench('chunked')
    const capture = await bench.capture()
    bench.cloud.faults.push({ call: 'createBackup', error: codeError('CK-CLOUD-BAD-REQUEST') })
    await expect(write(bench, capture)).rejects.toMatchObject({ code: 'CK-CLOUD-BAD-REQUEST' })
    expect(requested(bench)).toHaveLength(1)
  })

  it('says so when the snapshot is gone', async () => {
    const bench = fakeBench('chunked')
    const capture = await bench.capture()
    await bench.release(capture)
    await expect(write(bench, capture)).rejects.toMatchObject({ code: 'CK-CAPTURE-LOST' })
  })
})

describe('what lies on the backup', () => {
  it('is its whole manifest from the first moment on', async () => {
    const bench = fakeBench('ceph')
    const capture = await bench.capture()
    await write(bench, capture)
    const metadata = requested(bench)[0]?.['metadata'] as Record<string, string>
    const read = readManifest(metadata)
    expect(read).toMatchObject({
      manifest: { archiveId: capture.archiveId, volume: { metadata: { owner: 'Zoë 🐘' } } },
    })
    expect(metadata['ck:installation']).toBeDefined()
  })
})
