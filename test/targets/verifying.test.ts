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

  it('calls it damaged when Cinder calls it failed, with the reason and without a restore', async () => {
    const { bench, capture, copy } = await written()
    Object.assign(bench.cloud.backups.get(copy.ref['backupId'] ?? '') ?? {}, { status: 'error', failReason: 'gone' })
    expect(await verify(bench, copy, capture)).toMatchObject({
      state: 'damaged',
      reason: expect.stringContaining('error: gone') as unknown,
    })
    expect(called(bench, 'restoreBackup')).toEqual([])
  })

  it('calls it damaged when Cinder knows it no longer', async () => {
    const { bench, capture, copy } = await written()
    bench.cloud.backups.clear()
    expect(await verify(bench, copy, capture)).toMatchObject({ state: 'damaged' })
  })

  const failing = (times: number, reason = '', more = {}) =>
    Array.from({ length: times }, () => ({ job: 'restore', reason, ...more }) as const)

  it('calls it damaged when the driver fails three times, with long waits and into a fresh volume each time', async () => {
    const { bench, capture, copy } = await written()
    bench.cloud.failures.push(...failing(3))
    const start = bench.cloud.now()
    const verification = await verify(bench, copy, capture)
    expect(verification).toMatchObject({
      state: 'damaged',
      reason: expect.stringMatching(/driver failed to restore/) as unknown,
    })
    const into = called(bench, 'restoreBackup').map((one) => (one as { volumeId: string }).volumeId)
    expect(new Set(into).size).toBe(3)
    expect(bench.cloud.now() - start).toBeGreaterThan(20 * 60_000)
    expect(await bench.leftovers(capture)).toEqual([])
  })

  it('is content when storage comes back within a quarter of an hour', async () => {
    const { bench, capture, copy } = await written()
    const [[image, data] = ['', content('none')]] = [...bench.cloud.pool]
    bench.cloud.pool.clear()
    bench.cloud.later(() => bench.cloud.pool.set(image, data), 15 * 60_000)
    expect(await verify(bench, copy, capture)).toMatchObject({ state: 'verified' })
    expect(called(bench, 'restoreBackup')).toHaveLength(3)
  })

  it('waits for nothing when other bytes come back, nor when Cinder says that the data are not found', async () => {
    const { bench, capture, copy } = await written()
    bench.cloud.failures.push(...failing(1, ' rbd.ImageNotFound: [errno 2]'))
    const start = bench.cloud.now()
    expect(await verify(bench, copy, capture)).toMatchObject({ state: 'damaged' })
    bench.cloud.pool.set([...bench.cloud.pool.keys()][0] ?? '', content('other'))
    expect(await verify(bench, copy, capture)).toMatchObject({ state: 'damaged' })
    expect(bench.cloud.now() - start).toBeLessThan(5 * 60_000)
    expect(called(bench, 'restoreBackup')).toHaveLength(2)
  })

  it('only suspects it when the failures speak of space or rights', async () => {
    const { bench, capture, copy } = await written()
    bench.cloud.failures.push(...failing(3, ' No space left on device'))
    expect(await verify(bench, copy, capture)).toMatchObject({
      state: 'suspect',
      reason: expect.stringMatching(/No space left.*need not be its data/) as unknown,
    })
  })

  it('only suspects it where the services may not be listed', async () => {
    const { bench, capture, copy } = await written()
    bench.cloud.failures.push(...failing(3))
    bench.cloud.faults.push({ call: 'listServices', error: codeError('CK-CLOUD-FORBIDDEN') })
    expect(await verify(bench, copy, capture)).toMatchObject({ state: 'suspect' })
  })

  it('concludes nothing from a restore that failed without a word of the driver', async () => {
    const { bench, capture, copy } = await written()
    bench.cloud.failures.push(...failing(2, '', { byDriver: false }))
    for (let attempt = 0; attempt < 2; attempt += 1) {
      await expect(verify(bench, copy, capture)).rejects.toMatchObject({ code: 'CK-RESTORE-FAILED' })
      expect(await bench.leftovers(capture)).toEqual([])
    }
  })

  it("does not take the driver's words about an earlier restore for those about this one", async () => {
    const { bench, capture, copy } = await written()
    bench.cloud.failures.push(...failing(3))
    expect(await verify(bench, copy, capture)).toMatchObject({ state: 'damaged' })
    bench.cloud.failures.push(...failing(1, '', { byDriver: false }))
    await expect(verify(bench, copy, capture)).rejects.toMatchObject({ code: 'CK-RESTORE-FAILED' })
  })

  /** Kills an attempt when it tells of this phase; answers with its scratch volume. */
  async function killedAt({ bench, capture, copy }: Awaited<ReturnType<typeof written>>, phase: string) {
    const { context, abort } = contextFor()
    context.report = (progress) => {
      if (progress.phase.startsWith(phase)) abort.abort(new Error('killed'))
    }
    await expect(bench.open().verifyCopy(copy, capture, context)).rejects.toThrow('killed')
    const [scratch] = [...bench.cloud.volumes.values()].filter(({ name }) => name.endsWith('-verify'))
    if (scratch === undefined) throw new Error('there is no scratch volume')
    return scratch
  }

  it('restores once when it is stopped after the restore: the next attempt only reads', async () => {
    const all = await written()
    const { bench, capture, copy } = all
    await killedAt(all, 'reading the restored copy')
    expect(await verify(bench, copy, capture)).toMatchObject({ state: 'verified' })
    expect(called(bench, 'restoreBackup')).toHaveLength(1)
    expect(await bench.leftovers(capture)).toEqual([])
  })

  it('calls nothing damaged by what lay about since an earlier attempt', async () => {
    const all = await written()
    const { bench, capture, copy } = all
    const scratch = await killedAt(all, 'reading the restored copy')
    bench.cloud.contents.set(scratch.id, content('written by somebody'))
    expect(await verify(bench, copy, capture)).toMatchObject({ state: 'verified' })
    expect(called(bench, 'restoreBackup')).toHaveLength(2)
  })

  it.each(['creating', 'restoring', 'reading the restored copy'])(
    "does not say that the tenant's volume is gone when another attempt removes the scratch volume while it is %s",
    async (phase) => {
      const { bench, capture, copy } = await written()
      const { context } = contextFor()
      context.report = (progress) => {
        if (!progress.phase.startsWith(phase) && !progress.phase.endsWith(`is ${phase}`)) return
        for (const { id, name } of [...bench.cloud.volumes.values()]) {
          if (!name.endsWith('-verify')) continue
          bench.cloud.volumes.delete(id)
          bench.cloud.contents.delete(id)
        }
      }
      await expect(bench.open().verifyCopy(copy, capture, context)).rejects.toMatchObject({
        code: expect.stringMatching(/^CK-SCRATCH-(GONE|LOST)$/) as unknown,
      })
    },
  )

  it('restores nothing, and says why, where the scratch volume lies in another zone', async () => {
    const { bench, capture, copy } = await written()
    bench.cloud.placing.host = 'fake@far#far'
    expect(await verify(bench, copy, capture)).toMatchObject({
      state: 'unverified',
      reason: expect.stringMatching(/in the zone far.*in the zone default/) as unknown,
    })
    expect(called(bench, 'restoreBackup')).toEqual([])
    expect(await bench.leftovers(capture)).toEqual([])
  })

  it('waits while somebody else restores the same backup', async () => {
    const { bench, capture, copy } = await written()
    const restore = bench.cloud.api.restoreBackup.bind(bench.cloud.api)
    const theirs = bench.cloud.addVolume({ sizeGib: 1 })
    bench.cloud.api.restoreBackup = async (id, volumeId) => {
      bench.cloud.api.restoreBackup = restore
      await restore(id, theirs.id)
      return restore(id, volumeId)
    }
    expect(await verify(bench, copy, capture)).toMatchObject({ state: 'verified' })
    expect(called(bench, 'restoreBackup')).toHaveLength(3)
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

  it.each(['before it is read', 'while it is read'])(
    'compares with the hash that is known when the capture is deleted %s, and else says that there is none',
    async (when) => {
      const { bench, capture, copy } = await written()
      const rootHash = await bench.hashOfCapture(capture)
      const { context } = contextFor()
      context.report = ({ phase }) => {
        const now = when === 'while it is read' ? phase === 'reading the capture' : true
        if (now) bench.cloud.contents.delete(capture.snapshotId)
      }
      expect(await bench.open().verifyCopy(copy, capture, context)).toMatchObject({
        state: 'unverified',
        reason: expect.stringMatching(/capture was deleted/) as unknown,
      })
      expect(await bench.leftovers(capture)).toEqual([])
      const known = { ...copy, rootHash }
      expect(await bench.open().verifyCopy(known, capture, context)).toMatchObject({ state: 'verified', rootHash })
    },
  )

  it("believes Cinder, not a source that misses the volume's image, about whether the capture is gone", async () => {
    const { bench, capture, copy } = await written()
    const source = bench.cloud.sources.find('fake@ceph')
    if (source === undefined) throw new Error('no source')
    const open = source.open.bind(source)
    source.open = async (ref) => {
      if (ref.snapshotId === capture.snapshotId) throw codeError('CK-SOURCE-IMAGE-MISSING')
      return open(ref)
    }
    await expect(verify(bench, copy, capture)).rejects.toMatchObject({ code: 'CK-SOURCE-IMAGE-MISSING' })
    await bench.release(capture)
    expect(await verify(bench, copy, capture)).toMatchObject({ state: 'unverified' })
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
    const [[image, data] = ['', content('none')]] = [...bench.cloud.pool]
    const beyond: [number, Uint8Array][] = [
      [2 ** 30, Buffer.from('beyond')],
      [1.5 * 2 ** 30, Buffer.from('far beyond')],
    ]
    bench.cloud.pool.set(image, new Map([...data, ...beyond]))
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
