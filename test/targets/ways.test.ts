import { randomUUID } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { silentLog, type Log } from '../../log/log.js'
import type { Capture, Copy } from '../../targets/target.js'
import { contextFor } from './contract.js'
import { fakeBench, type FakeBench } from './fake-bench.js'
import { codeError } from './fake-world.js'

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

describe('learning the driver', () => {
  it('treats a cloud without any backup as one with the Ceph driver', async () => {
    const bench = fakeBench('chunked', { learn: true })
    await write(bench, await bench.capture())
    expect(requested(bench)[0]).not.toHaveProperty('snapshotId')
  })

  it('treats a cloud whose records may not be read as one with the Ceph driver', async () => {
    const bench = fakeBench('chunked', { learn: true })
    await write(bench, await bench.capture())
    bench.cloud.faults.push({ call: 'exportRecord', error: codeError('CK-CLOUD-FORBIDDEN') })
    await write(bench, await bench.capture())
    expect(requested(bench).at(-1)).not.toHaveProperty('snapshotId')
  })

  it('backs up snapshots where its own newest copies were all made by a chunked driver', async () => {
    const bench = fakeBench('chunked', { learn: true })
    await write(bench, await bench.capture())
    await write(bench, await bench.capture())
    expect(requested(bench).at(-1)).toHaveProperty('snapshotId')
  })

  it("learns nothing from somebody else's backups", async () => {
    const bench = fakeBench('chunked', { learn: true })
    await backupBySomebody(bench, { volumeId: bench.cloud.addVolume({ sizeGib: 1 }).id })
    await write(bench, await bench.capture())
    expect(requested(bench).at(-1)).not.toHaveProperty('snapshotId')
  })

  it('treats a cloud whose hosts run different drivers as one with the Ceph driver', async () => {
    const bench = fakeBench('ceph', { learn: true })
    await write(bench, await bench.capture())
    bench.cloud.running.driver = 'chunked'
    await write(bench, await bench.capture())
    await write(bench, await bench.capture())
    expect(requested(bench).at(-1)).not.toHaveProperty('snapshotId')
  })
})

describe('a driver that is configured wrongly', () => {
  it('is not believed where a record proves Ceph: a second snapshot backup would fail', async () => {
    const bench = fakeBench('chunked')
    bench.cloud.running.driver = 'ceph'
    const capture = await bench.capture()
    await write(bench, capture)
    expect(requested(bench)[0]).toHaveProperty('snapshotId')
    const codes: unknown[] = []
    const log: Log = { ...silentLog, warn: ({ code }) => void codes.push(code), child: () => log }
    await bench.open(log).writeCopy(await bench.captureOf(capture.volume.volumeId), null, contextFor().context)
    expect(requested(bench).at(-1)).not.toHaveProperty('snapshotId')
    expect(codes).toEqual(['CK-BACKUP-DRIVER'])
  })

  it('is believed where no record can be read', async () => {
    const bench = fakeBench('chunked')
    await write(bench, await bench.capture())
    bench.cloud.faults.push({ call: 'exportRecord', error: codeError('CK-CLOUD-FORBIDDEN') })
    await write(bench, await bench.capture())
    expect(requested(bench).at(-1)).toHaveProperty('snapshotId')
  })
})

describe('writing by force', () => {
  const forced = async (bench: FakeBench, capture: Capture): Promise<Copy> =>
    bench.open().writeCopy(capture, null, contextFor().context, { force: true })

  async function withoutSnapshot(bench: FakeBench, given: Partial<Capture> = {}): Promise<Capture> {
    const capture = await bench.capture()
    await bench.release(capture)
    bench.cloud.advance(60_000)
    return { ...capture, snapshotId: '', snapshotName: '', ...given }
  }

  it('backs up the volume itself in use, says crash, builds upon the last, and stays unverified with the reason', async () => {
    const bench = fakeBench('ceph')
    const capture = await withoutSnapshot(bench)
    const volume = bench.cloud.volumes.get(capture.volume.volumeId)
    if (volume !== undefined) volume.status = 'in-use'
    const first = await forced(bench, capture)
    expect(first).toMatchObject({ consistency: 'crash', state: 'unverified', basePoint: null })
    bench.cloud.advance(60_000)
    const archiveId = randomUUID()
    const next = { ...capture, archiveId, point: `2026-11-23T02:20:00Z-${archiveId.slice(0, 8)}` }
    expect(await forced(bench, next)).toMatchObject({ basePoint: first.point })
    expect(requested(bench)).toMatchObject([{ force: true }, { force: true, incremental: true }])
    const verification = await bench.open().verifyCopy(first, capture, contextFor().context)
    expect(verification).toMatchObject({
      state: 'unverified',
      reason: expect.stringMatching(/nothing to compare/) as unknown,
    })
  })

  it.each(['event:volume.create.end:1', 'event:volume.detach.end:1', 'event:compute.instance.volume.detach:1'])(
    'refuses it for an archive asked for by %s',
    async (slot) => {
      const bench = fakeBench('ceph')
      await expect(forced(bench, await withoutSnapshot(bench, { slot }))).rejects.toMatchObject({
        code: 'CK-FORCE-REFUSED',
      })
    },
  )

  it('refuses it where the driver is not that of Ceph', async () => {
    const bench = fakeBench('chunked')
    await expect(forced(bench, await withoutSnapshot(bench))).rejects.toMatchObject({ code: 'CK-FORCE-REFUSED' })
  })

  it('waits for another try while something else is done with the volume', async () => {
    const bench = fakeBench('ceph')
    const capture = await withoutSnapshot(bench)
    const volume = bench.cloud.volumes.get(capture.volume.volumeId)
    if (volume !== undefined) volume.status = 'backing-up'
    await expect(forced(bench, capture)).rejects.toMatchObject({ code: 'CK-VOLUME-BUSY' })
  })
})
