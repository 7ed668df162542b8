import { homedir, tmpdir } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { beforeAll, describe, expect, it } from 'vitest'
import { silentLog } from '../../log/log.js'
import { cinder } from '../../openstack/cinder.js'
import type { Cinder, Volume } from '../../openstack/cinder.js'
import { loadCloud } from '../../openstack/clouds-yaml.js'
import { connectCloud } from '../../openstack/session.js'
import { uniqueName } from './cloud.js'
import type { ConformityCloud } from './cloud.js'

/** A few acts through `openstack/`, which must read both clouds' answers alike. */
export function ownClientChecks(open: () => ConformityCloud): void {
  describe('our own client', () => {
    let client: Cinder
    beforeAll(async () => {
      const cloud = await loadCloud({ env: open().admin, cwd: tmpdir(), home: homedir() })
      client = cinder(connectCloud(cloud, { log: silentLog }))
    })
    const until = async (what: () => Promise<{ status: string }>, passing: string): Promise<string> => {
      for (;;) {
        const { status } = await what()
        if (status !== passing) return status
        await sleep(100)
      }
    }

    it('makes, finds, backs up and deletes a volume', async () => {
      const name = uniqueName('client')
      const { id } = await client.createVolume({ name, sizeGib: 1, metadata: { tier: 'gold' } })
      expect(await until(() => client.getVolume(id), 'creating')).toBe('available')
      const found: Volume[] = []
      for await (const volume of client.listVolumes({ allProjects: true, name })) found.push(volume)
      expect(found).toMatchObject([{ id, sizeGib: 1, metadata: { tier: 'gold' }, attachments: [] }])
      expect(found[0]?.host).toMatch(/^(lab@ceph#ceph|sandbox@files#pool)$/)
      const backup = await client.createBackup({ volumeId: id, name, metadata: { 'ck:0': '{}' } })
      expect(await until(() => client.getBackup(backup.id), 'creating')).toBe('available')
      await client.updateBackup(backup.id, { metadata: { 'ck:state': 'verified' } })
      expect((await client.getBackup(backup.id)).metadata).toEqual({ 'ck:state': 'verified' })
      expect((await client.exportRecord(backup.id)).service).toMatch(/BackupDriver$/)
      await client.deleteBackup(backup.id)
      await expect(until(() => client.getBackup(backup.id), 'deleting')).rejects.toMatchObject({
        code: 'CK-BACKUP-GONE',
      })
      await client.deleteVolume(id)
      await expect(until(() => client.getVolume(id), 'deleting')).rejects.toMatchObject({ code: 'CK-VOLUME-GONE' })
    })

    it('reads limits, pools, services and messages', async () => {
      expect((await client.getLimits()).usedVolumes).toBeGreaterThanOrEqual(0)
      const [pool] = await client.listPools()
      expect(pool?.name).toMatch(/^(lab@ceph#ceph|sandbox@files#pool)$/)
      expect(pool).toMatchObject({ thin: true, overSubscription: 20, reservedPercentage: 0 })
      expect(pool?.freeGib).toBeGreaterThan(0)
      expect(pool?.totalGib).toBeGreaterThanOrEqual(pool?.freeGib ?? Infinity)
      expect(pool?.provisionedGib).toBeGreaterThanOrEqual(0)
      expect(await client.listServices({ binary: 'cinder-backup' })).toMatchObject([{ status: 'enabled', state: 'up' }])
      expect(await client.listMessages('00000000-0000-4000-8000-000000000000')).toEqual([])
    })
  })
}
