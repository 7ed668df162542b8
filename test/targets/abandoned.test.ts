import { describe, expect, it } from 'vitest'
import { silentLog, type LogFields } from '../../log/log.js'
import type { Capture } from '../../targets/target.js'
import { contextFor } from './contract.js'
import { fakeBench, type FakeBench } from './fake-bench.js'

const minute = 60_000
const hour = 60 * minute

async function cleared(bench: FakeBench, { archiveId, volume }: Capture) {
  const warnings: LogFields[] = []
  const log = { ...silentLog, warn: (fields: LogFields) => warnings.push(fields), child: () => log }
  const start = bench.cloud.now()
  await bench.open(log).removeTemporaries({ archiveId, volumeId: volume.volumeId }, contextFor().context)
  return { codes: warnings.map(({ code }) => code), tookMs: bench.cloud.now() - start }
}

/** Kills an act as soon as it tells that Cinder is doing this. */
async function killedWhile(
  act: (context: ReturnType<typeof contextFor>['context']) => Promise<unknown>,
  doing: string,
) {
  const { context, abort } = contextFor()
  context.report = ({ phase }) => {
    if (phase.includes(doing)) abort.abort(new Error('killed'))
  }
  await expect(act(context)).rejects.toThrow('killed')
}

async function stuckWriting() {
  const bench = fakeBench('ceph')
  const capture = await bench.capture()
  bench.cloud.failures.push({ job: 'backup', reason: '', stuck: true })
  await killedWhile(async (context) => bench.open().writeCopy(capture, null, context), 'GiB is creating')
  return { bench, capture }
}

function setService(bench: FakeBench, binary: string, state: 'up' | 'down'): void {
  for (const service of bench.cloud.services) if (service.binary === binary) service.state = state
}

describe('removing temporaries that Cinder has forgotten', () => {
  it('resets a backup whose request was lost after a day, and removes it with its volume', async () => {
    const { bench, capture } = await stuckWriting()
    const { codes, tookMs } = await cleared(bench, capture)
    expect(await bench.leftovers(capture)).toEqual([])
    expect(bench.cloud.backups.size).toBe(0)
    // the backup, and the volume that it was made of
    expect(codes).toEqual(['CK-STUCK-RESET', 'CK-STUCK-RESET'])
    expect(tookMs).toBeGreaterThan(23 * hour)
  })

  it('waits for a backup that takes twenty hours without a sign of life', async () => {
    const { bench, capture } = await stuckWriting()
    bench.cloud.later(() => {
      for (const backup of bench.cloud.backups.values()) backup.status = 'available'
      for (const volume of bench.cloud.volumes.values()) volume.status = 'available'
    }, 20 * hour)
    expect((await cleared(bench, capture)).codes).toEqual([])
    expect([...bench.cloud.backups.values()]).toMatchObject([{ status: 'available' }])
    expect(await bench.leftovers(capture)).toEqual([])
  })

  it('waits half an hour only for a volume that stays in backing-up after its backup has ended', async () => {
    const { bench, capture } = await stuckWriting()
    for (const backup of bench.cloud.backups.values()) backup.status = 'error'
    const { codes, tookMs } = await cleared(bench, capture)
    expect(await bench.leftovers(capture)).toEqual([])
    expect(codes).toEqual(['CK-STUCK-RESET'])
    expect(tookMs).toBeLessThan(hour)
  })

  it('waits half an hour only when no cinder-backup is up, and leaves the backup that nobody can delete', async () => {
    const { bench, capture } = await stuckWriting()
    setService(bench, 'cinder-backup', 'down')
    const { codes, tookMs } = await cleared(bench, capture)
    expect([...bench.cloud.volumes.values()].filter(({ name }) => name.startsWith('ck-'))).toEqual([])
    expect([...bench.cloud.backups.values()]).toMatchObject([{ status: 'error' }])
    expect(codes).toEqual(['CK-STUCK-RESET', 'CK-STUCK-RESET', 'CK-BACKUP-KEPT'])
    expect(tookMs).toBeGreaterThan(30 * minute)
    expect(tookMs).toBeLessThan(3 * hour)
  })

  it('deletes the failed backup when the service comes back in time', async () => {
    const { bench, capture } = await stuckWriting()
    setService(bench, 'cinder-backup', 'down')
    bench.cloud.later(() => {
      setService(bench, 'cinder-backup', 'up')
    }, 75 * minute)
    expect((await cleared(bench, capture)).codes).not.toContain('CK-BACKUP-KEPT')
    expect(bench.cloud.backups.size).toBe(0)
  })

  it('gives a stuck scratch volume up, and leaves the copy as good as it was', async () => {
    const bench = fakeBench('ceph')
    const capture = await bench.capture()
    const copy = await bench.open().writeCopy(capture, null, contextFor().context)
    bench.cloud.failures.push({ job: 'restore', reason: '', stuck: true })
    await killedWhile(async (context) => bench.open().verifyCopy(copy, capture, context), 'restoring-backup')
    const stuck = bench.cloud.backups.get(copy.ref['backupId'] ?? '')
    if (stuck !== undefined) stuck.status = 'restoring'
    expect((await cleared(bench, capture)).codes).toEqual(['CK-STUCK-RESET', 'CK-STUCK-RESET'])
    expect(stuck?.status).toBe('available')
    expect(await bench.leftovers(capture)).toEqual([])
    expect(await bench.open().verifyCopy(copy, capture, contextFor().context)).toMatchObject({ state: 'verified' })
  })

  it('leaves alone what somebody else restores from a copy', async () => {
    const bench = fakeBench('ceph')
    const capture = await bench.capture()
    const copy = await bench.open().writeCopy(capture, null, contextFor().context)
    const backup = bench.cloud.backups.get(copy.ref['backupId'] ?? '')
    if (backup !== undefined) backup.status = 'restoring'
    const { codes, tookMs } = await cleared(bench, capture)
    expect(backup?.status).toBe('restoring')
    expect(codes).toEqual([])
    expect(tookMs).toBeLessThan(minute)
  })

  it('resets a temporary volume that stays in the making while no cinder-volume is up', async () => {
    const bench = fakeBench('ceph')
    const capture = await bench.capture()
    bench.cloud.failures.push({ job: 'volume', reason: '', stuck: true })
    await killedWhile(async (context) => bench.open().writeCopy(capture, null, context), 'is creating')
    setService(bench, 'cinder-volume', 'down')
    const { codes, tookMs } = await cleared(bench, capture)
    expect(codes).toEqual(['CK-STUCK-RESET'])
    expect(await bench.leftovers(capture)).toEqual([])
    expect(tookMs).toBeLessThan(hour)
  })

  it('resets no volume that somebody has attached to a server', async () => {
    const bench = fakeBench('ceph')
    const capture = await bench.capture()
    await killedWhile(async (context) => bench.open().writeCopy(capture, null, context), 'is creating')
    bench.cloud.advance(minute)
    const [temporary] = [...bench.cloud.volumes.values()].filter(({ name }) => name.endsWith('-temp'))
    if (temporary !== undefined) temporary.status = 'in-use'
    bench.cloud.later(() => {
      if (temporary?.status === 'in-use') temporary.status = 'available'
    }, 26 * hour)
    const { codes, tookMs } = await cleared(bench, capture)
    expect(codes).toEqual([])
    expect(tookMs).toBeGreaterThan(25 * hour)
    expect(await bench.leftovers(capture)).toEqual([])
  })
})
