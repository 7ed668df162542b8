import { describe, expect, it } from 'vitest'
import type { Pool } from '../../openstack/cinder.js'
import type { Fit } from '../../targets/target.js'
import { poolShortage } from '../../targets/cinder-backup/preflight.js'
import { contextFor } from './contract.js'
import { fakeBench, type FakeBench } from './fake-bench.js'
import { codeError } from './fake-world.js'

const host = 'fake@ceph#ceph'
const pool: Pool = {
  ...{ name: host, totalGib: 100, freeGib: 40, provisionedGib: 60, reservedPercentage: 0 },
  ...{ thin: false, overSubscription: null },
}

async function fit(bench: FakeBench, given: { sizeGib?: number; host?: string; force?: boolean } = {}): Promise<Fit> {
  const volume = { sizeGib: given.sizeGib ?? 10, host: given.host ?? host }
  return (
    (await bench.open().preflight?.(volume, contextFor().context, { force: given.force ?? false })) ?? { fits: true }
  )
}
const reason = (answer: Fit): string => (answer.fits ? 'it fits' : answer.reason)

describe('preflight of cinder-backup', () => {
  it('fits when quota and pool have room for snapshot, temporary volume and backup, to the last one', async () => {
    const bench = fakeBench('ceph')
    bench.cloud.pools.push({ ...pool, freeGib: 10 })
    Object.assign(bench.cloud.limits, {
      ...{ maxSnapshots: 5, usedSnapshots: 4, maxVolumes: 8, usedVolumes: 7, maxGigabytes: 120, usedGigabytes: 100 },
      ...{ maxBackups: 3, usedBackups: 2, maxBackupGigabytes: 50, usedBackupGigabytes: 40 },
    })
    expect(await fit(bench)).toEqual({ fits: true })
  })

  it.each([
    ['snapshots', { maxSnapshots: 5, usedSnapshots: 5 }, 'snapshots: 5 of 5 are used, and 1 more would be needed'],
    ['volumes', { maxVolumes: 5, usedVolumes: 5 }, 'volumes: 5 of 5 are used, and 1 more would be needed'],
    // the snapshot counts as well as the volume that is made from it
    [
      'gigabytes',
      { maxGigabytes: 119, usedGigabytes: 100 },
      'gigabytes: 100 of 119 are used, and 20 more would be needed',
    ],
    ['backups', { maxBackups: 5, usedBackups: 5 }, 'backups: 5 of 5 are used, and 1 more would be needed'],
    [
      ...(['backup_gigabytes', { maxBackupGigabytes: 49 }] as const),
      'backup_gigabytes: 40 of 49 are used, and 10 more would be needed',
    ],
  ])('does not fit when the quota of %s is one too small, and says so', async (_what, change, says) => {
    const bench = fakeBench('ceph')
    Object.assign(bench.cloud.limits, change)
    expect(await fit(bench)).toEqual({ fits: false, reason: `the quota of our project is too small: ${says}` })
  })

  it('names every quota that is too small, and takes -1 for unlimited', async () => {
    const bench = fakeBench('ceph')
    Object.assign(bench.cloud.limits, { maxGigabytes: -1, usedGigabytes: 9999, maxBackups: 0, maxVolumes: 0 })
    expect(reason(await fit(bench))).toMatch(/volumes: 0 of 0 .*; backups: 0 of 0/)
  })

  it('needs no volume beside the snapshot with a chunked driver when no source reaches the volume', async () => {
    const bench = fakeBench('chunked')
    Object.assign(bench.cloud.limits, { maxVolumes: 0 })
    expect(reason(await fit(bench))).toContain('volumes: 0 of 0')
    expect(await fit(bench, { host: 'elsewhere@lvm#lvm' })).toEqual({ fits: true })
  })

  it('needs neither snapshot nor volume for a force backup', async () => {
    const bench = fakeBench('ceph')
    Object.assign(bench.cloud.limits, { maxVolumes: 0, maxSnapshots: 0, maxGigabytes: 0 })
    bench.cloud.pools.push({ ...pool, freeGib: 0 })
    expect(await fit(bench, { force: true })).toEqual({ fits: true })
  })

  it('looks at the pool of the volume and at no other, and does without where pools may not be seen', async () => {
    const bench = fakeBench('ceph')
    bench.cloud.pools.push({ ...pool, name: 'fake@ssd#ssd', freeGib: 0 })
    expect(await fit(bench)).toEqual({ fits: true })
    bench.cloud.pools.push({ ...pool, freeGib: 9 })
    expect(await fit(bench)).toEqual({ fits: false, reason: `the pool ${host} has 9 GiB left, and 10 GiB are needed` })
    bench.cloud.faults.push({ call: 'listPools', error: codeError('CK-CLOUD-FORBIDDEN') })
    expect(await fit(bench)).toEqual({ fits: true })
    bench.cloud.faults.push({ call: 'listPools', error: codeError('CK-CLOUD-UNAVAILABLE') })
    await expect(fit(bench)).rejects.toMatchObject({ code: 'CK-CLOUD-UNAVAILABLE' })
  })

  it('makes nothing', async () => {
    const bench = fakeBench('ceph')
    await fit(bench)
    expect(bench.cloud.calls.map(({ call }) => call)).toEqual(['getLimits', 'listPools'])
  })
})

describe('poolShortage', () => {
  const need = { sizeGib: 10 }

  it('fits where the driver does not tell how much is free, or calls it infinite', () => {
    expect(poolShortage({ ...pool, freeGib: null }, need)).toBeNull()
    expect(poolShortage(null, need)).toBeNull()
  })

  it('keeps the reserved share free', () => {
    expect(poolShortage({ ...pool, reservedPercentage: 30 }, need)).toBeNull()
    expect(poolShortage({ ...pool, reservedPercentage: 31 }, need)).toContain('has 9 GiB left')
    expect(poolShortage({ ...pool, reservedPercentage: 40 }, need)).toContain('is full')
  })

  it('lets thin volumes promise more than there is, as often as Cinder does', () => {
    const thin = { ...pool, thin: true, overSubscription: 2, freeGib: 5 }
    expect(poolShortage(thin, need)).toBeNull()
    expect(poolShortage(thin, { sizeGib: 11 })).toContain('has 10 GiB left')
    expect(poolShortage({ ...thin, provisionedGib: 190 }, need)).toBeNull()
    expect(poolShortage({ ...thin, provisionedGib: 191 }, need)).toContain('2.01 times what it has')
  })
})
