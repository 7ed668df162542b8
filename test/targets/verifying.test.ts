import { describe, expect, it } from 'vitest'
import type { Capture, Copy, Verification } from '../../targets/target.js'
import { contextFor } from './contract.js'
import { content, fakeBench, type FakeBench } from './fake-bench.js'
import { codeError } from './fake-world.js'

const verify = async (bench: FakeBench, copy: Copy, capture: Capture | null): Promise<Verification> =>
  bench.open().verifyCopy(copy, capture, contextFor().context)

async function written(driver: 'ceph' | 'chunked' = 'ceph') {
  const bench = fakeBench(driver)
  const capture = await bench.capture()
  const copy = await bench.open().writeCopy(capture, null, contextFor().context)
  return { bench, capture, copy }
}

const called = (bench: FakeBench, name: string): unknown[] =>
  bench.cloud.calls.filter(({ call }) => call === name).map(({ argument }) => argument)

describe('verifying a copy', () => {
  it('calls it damaged, with both hashes, when other bytes come back', async () => {
    const { bench, capture, copy } = await written()
    bench.cloud.pool.set([...bench.cloud.pool.keys()][0] ?? '', content('other'))
    const verification = await verify(bench, copy, capture)
    const expected = await bench.hashOfCapture(capture)
    expect(verification).toMatchObject({ state: 'damaged', rootHash: expected })
    expect(verification.reason).toContain(expected)
    expect(verification.reason?.match(/sha256-4m:/g)).toHaveLength(2)
  })

  it('calls it damaged when Cinder knows it no longer', async () => {
    const { bench, capture, copy } = await written()
    bench.cloud.backups.clear()
    expect(await verify(bench, copy, capture)).toMatchObject({ state: 'damaged' })
  })

  it('calls it damaged when the backup driver fails twice, and tries into a fresh volume each time', async () => {
    const { bench, capture, copy } = await written()
    bench.cloud.failures.push({ job: 'restore', reason: '' }, { job: 'restore', reason: '' })
    const verification = await verify(bench, copy, capture)
    expect(verification).toMatchObject({
      state: 'damaged',
      reason: expect.stringMatching(/driver failed to restore/) as unknown,
    })
    const into = called(bench, 'restoreBackup').map((one) => (one as { volumeId: string }).volumeId)
    expect(new Set(into).size).toBe(2)
    expect(await bench.leftovers(capture)).toEqual([])
  })

  it('is content when the second restore succeeds', async () => {
    const { bench, capture, copy } = await written()
    bench.cloud.failures.push({ job: 'restore', reason: '' })
    expect(await verify(bench, copy, capture)).toMatchObject({ state: 'verified' })
  })

  it('concludes nothing from restores that failed without a word of the driver', async () => {
    const { bench, capture, copy } = await written()
    const interrupted = { job: 'restore', reason: '', byDriver: false } as const
    bench.cloud.failures.push(interrupted, interrupted)
    await expect(verify(bench, copy, capture)).rejects.toMatchObject({ code: 'CK-RESTORE-FAILED' })
    expect(await bench.leftovers(capture)).toEqual([])
  })

  it("does not take the driver's words about an earlier restore for those about this one", async () => {
    const { bench, capture, copy } = await written()
    bench.cloud.failures.push({ job: 'restore', reason: '' }, { job: 'restore', reason: '' })
    expect(await verify(bench, copy, capture)).toMatchObject({ state: 'damaged' })
    const interrupted = { job: 'restore', reason: '', byDriver: false } as const
    bench.cloud.failures.push(interrupted, interrupted)
    await expect(verify(bench, copy, capture)).rejects.toMatchObject({ code: 'CK-RESTORE-FAILED' })
  })

  it('removes a half restored scratch volume of a killed attempt that has lost our marks', async () => {
    const { bench, capture, copy } = await written()
    const killed = contextFor()
    const report = killed.context.report.bind(killed.context)
    killed.context.report = (progress) => {
      report(progress)
      if (progress.phase.startsWith('restoring')) killed.abort.abort(new Error('killed'))
    }
    await expect(bench.open().verifyCopy(copy, capture, killed.context)).rejects.toThrow('killed')
    const [scratch] = [...bench.cloud.volumes.values()].filter(({ name }) => name.endsWith('-verify'))
    bench.cloud.failures.push({ job: 'restore', reason: '', byDriver: false })
    bench.cloud.advance(10_000)
    expect(scratch?.status).toBe('error_restoring')
    if (scratch !== undefined) scratch.metadata = { archive: 'gold' }
    expect(await verify(bench, copy, capture)).toMatchObject({ state: 'verified' })
    expect(await bench.leftovers(capture)).toEqual([])
  })

  it('concludes nothing while the service is down, although Cinder then answers that the backup is not found', async () => {
    const { bench, capture, copy } = await written()
    const [service] = bench.cloud.services
    if (service !== undefined) service.state = 'down'
    await expect(verify(bench, copy, capture)).rejects.toMatchObject({ code: 'CK-BACKUP-SERVICE-DOWN' })
    if (service !== undefined) service.state = 'up'
    expect(await verify(bench, copy, capture)).toMatchObject({ state: 'verified' })
    expect(await bench.leftovers(capture)).toEqual([])
  })

  it('restores once although the answer to the request was lost', async () => {
    const { bench, capture, copy } = await written()
    bench.cloud.faults.push({ call: 'restoreBackup', what: 'lost' })
    expect(await verify(bench, copy, capture)).toMatchObject({ state: 'verified' })
    expect(called(bench, 'restoreBackup')).toHaveLength(1)
  })

  it('restores nothing, and says why, where the capture cannot be read', async () => {
    const { bench, capture, copy } = await written()
    const elsewhere = { ...capture, volume: { ...capture.volume, host: 'fake@lvm#lvm' } }
    const verification = await verify(bench, copy, elsewhere)
    expect(verification).toMatchObject({
      state: 'unverified',
      reason: expect.stringMatching(/fake@lvm#lvm/) as unknown,
    })
    expect(called(bench, 'restoreBackup')).toEqual([])
  })

  it('restores nothing, and says why, where the scratch volume cannot be read', async () => {
    const { bench, capture, copy } = await written()
    const find = bench.cloud.sources.find.bind(bench.cloud.sources)
    let asked = 0
    bench.cloud.sources.find = (host) => ((asked += 1) === 1 ? find(host) : undefined)
    expect(await verify(bench, copy, capture)).toMatchObject({ state: 'unverified' })
    expect(called(bench, 'restoreBackup')).toEqual([])
    expect(await bench.leftovers(capture)).toEqual([])
  })

  it('blames the capture, not the copy, when its snapshot was deleted while it was read', async () => {
    const { bench, capture, copy } = await written()
    const { context } = contextFor()
    const report = context.report.bind(context)
    context.report = (progress) => {
      report(progress)
      if (progress.phase === 'reading the capture') bench.cloud.contents.set(capture.snapshotId, content('torn'))
    }
    await expect(bench.open().verifyCopy(copy, capture, context)).rejects.toMatchObject({ code: 'CK-CAPTURE-LOST' })
  })

  it('marks the scratch volume as ours again as soon as Cinder has written other metadata onto it', async () => {
    const { bench, capture, copy } = await written('chunked')
    const { context } = contextFor()
    const marks: unknown[] = []
    const report = context.report.bind(context)
    context.report = (progress) => {
      report(progress)
      if (progress.phase !== 'reading the restored copy') return
      marks.push(
        ...[...bench.cloud.volumes.values()].filter(({ name }) => name.endsWith('-verify')).map((one) => one.metadata),
      )
    }
    await bench.open().verifyCopy(copy, capture, context)
    expect(marks[0]).toMatchObject({ 'ck:purpose': 'scratch', 'ck:archive': capture.archiveId })
    expect(marks[0]).not.toHaveProperty('archive')
  })

  it('finds the scratch volume of a killed attempt although Cinder took our marks off it', async () => {
    const { bench, capture, copy } = await written('chunked')
    bench.cloud.faults.push({ call: 'updateVolume', error: codeError('CK-CLOUD-UNAVAILABLE') })
    bench.cloud.faults.push({ call: 'deleteVolume', error: codeError('CK-CLOUD-UNAVAILABLE') })
    await expect(verify(bench, copy, capture)).rejects.toMatchObject({ code: 'CK-CLOUD-UNAVAILABLE' })
    const [scratch] = [...bench.cloud.volumes.values()].filter(({ name }) => name.endsWith('-verify'))
    expect(scratch?.metadata).toMatchObject({ archive: 'gold' })
    expect(await verify(bench, copy, capture)).toMatchObject({ state: 'verified' })
    // it had been restored to the end already
    expect(called(bench, 'restoreBackup')).toHaveLength(1)
    expect(await bench.leftovers(capture)).toEqual([])
  })

  it('compares the size at the capture when the volume grew before the backup', async () => {
    const bench = fakeBench('chunked')
    const capture = await bench.capture()
    const volume = bench.cloud.volumes.get(capture.volume.volumeId)
    if (volume !== undefined) volume.sizeGib = 2
    const copy = await bench.open().writeCopy(capture, null, contextFor().context)
    expect(await verify(bench, copy, capture)).toMatchObject({
      state: 'verified',
      rootHash: await bench.hashOfCapture(capture),
    })
  })

  it('tells how far it is', async () => {
    const { bench, capture, copy } = await written()
    const { context, reports } = contextFor()
    await bench.open().verifyCopy(copy, capture, context)
    expect(reports).toEqual(expect.arrayContaining(['reading the capture', 'reading the restored copy']))
    expect(reports.some((phase) => /restoring 1 GiB into ck-.*-verify/.test(phase))).toBe(true)
  })
})
