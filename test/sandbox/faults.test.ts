import { open, stat } from 'node:fs/promises'
import { describe, expect, it } from 'vitest'
import { faultExamples } from '../../sandbox/explain.js'
import { readBlock } from '../../sandbox/files.js'
import type { Sandbox } from '../../sandbox/sandbox.js'
import type { Client } from '../cloud-conformity/cloud.js'
import { idOf, makeVolume, request, settles } from '../cloud-conformity/cloud.js'
import { withSandbox } from './with-sandbox.js'

const events = (sandbox: Sandbox): string[] => sandbox.notifier.published.map(({ eventType }) => eventType)

/** A volume with some bytes, and a backup of it. */
async function backedUp(sandbox: Sandbox, admin: Client): Promise<{ volume: string; backup: string }> {
  const volume = await makeVolume(admin)
  const file = await open(sandbox.volumePath(volume), 'r+')
  await file.write(Buffer.from('some bytes that matter'), 0, undefined, 5 * 2 ** 20)
  await file.close()
  const backup = idOf(await admin.call('POST', '/backups', { backup: { volume_id: volume } }))
  await settles(admin, `/backups/${backup}`, 'creating')
  return { volume, backup }
}

async function restored(sandbox: Sandbox, admin: Client, backup: string): Promise<{ status: string; same: boolean }> {
  const target = await makeVolume(admin)
  await admin.call('POST', `/backups/${backup}/restore`, { restore: { volume_id: target } })
  const status = await settles(admin, `/volumes/${target}`, 'restoring-backup')
  const bytes = await readBlock(sandbox.volumePath(target), 5 * 2 ** 20, 22)
  return { status, same: bytes.toString() === 'some bytes that matter' }
}

describe('faults on demand', () => {
  it('answer with a status, do nothing, and stop after their count', () =>
    withSandbox({}, async (sandbox, admin) => {
      sandbox.faults.add({ kind: 'status', status: 503, method: 'POST', path: '/volumes$', nth: 2, count: 2 })
      const statuses: number[] = []
      for (let i = 0; i < 4; i += 1) {
        statuses.push((await admin.call('POST', '/volumes', { volume: { size: 1 } })).status)
      }
      expect(statuses).toEqual([202, 503, 503, 202])
      expect(sandbox.state.volumes.size).toBe(2)
      expect(sandbox.faults.list()).toMatchObject([{ seen: 4, hits: 2 }])
    }))

  it('lose the answer after the work was done', () =>
    withSandbox({}, async (sandbox, admin) => {
      sandbox.faults.add({ kind: 'lost-answer', method: 'POST', path: '/volumes$' })
      await expect(admin.call('POST', '/volumes', { volume: { size: 1, name: 'made' } })).rejects.toThrow()
      await sandbox.idle()
      expect([...sandbox.state.volumes.values()]).toMatchObject([{ name: 'made', status: 'available' }])
    }))

  it('hang without doing anything', () =>
    withSandbox({}, async (sandbox) => {
      sandbox.faults.add({ kind: 'hang', path: '/identity' })
      await expect(fetch(sandbox.env['OS_AUTH_URL'] ?? '', { signal: AbortSignal.timeout(200) })).rejects.toThrow()
      expect((await fetch(sandbox.env['OS_AUTH_URL'] ?? '')).status).toBe(200)
    }))

  it('leave an object stuck, or let its work fail with a reason and without a notification', () =>
    withSandbox({}, async (sandbox, admin) => {
      const volume = await makeVolume(admin)
      sandbox.faults.add({ kind: 'stuck', work: 'snapshot.create' })
      const snapshot = idOf(await admin.call('POST', '/snapshots', { snapshot: { volume_id: volume } }))
      await sandbox.idle()
      expect(await settles(admin, `/snapshots/${snapshot}`)).toBe('creating')
      sandbox.faults.add({ kind: 'fail', work: 'backup.create', reason: 'the pool is full' })
      const backup = idOf(await admin.call('POST', '/backups', { backup: { volume_id: volume } }))
      await sandbox.idle()
      expect(await admin.call('GET', `/backups/${backup}`)).toMatchObject({
        body: { backup: { status: 'error', fail_reason: 'the pool is full' } },
      })
      expect(await settles(admin, `/volumes/${volume}`)).toBe('available')
      expect(events(sandbox)).toContain('backup.create.start')
      expect(events(sandbox)).not.toContain('backup.create.end')
    }))

  it('lose, double and reorder notifications', () =>
    withSandbox({}, async (sandbox, admin) => {
      sandbox.faults.add({ kind: 'lose-notification', event: 'volume.create.start' })
      await makeVolume(admin)
      expect(events(sandbox)).toEqual(['volume.create.end'])
      sandbox.faults.add({ kind: 'double-notification', event: 'volume.create.end' })
      await makeVolume(admin)
      expect(events(sandbox).slice(1)).toEqual(['volume.create.start', 'volume.create.end', 'volume.create.end'])
      expect(new Set(sandbox.notifier.published.slice(2).map(({ messageId }) => messageId)).size).toBe(1)
      sandbox.faults.add({ kind: 'hold-notification', event: 'volume.create.start' })
      await makeVolume(admin)
      expect(events(sandbox).slice(4)).toEqual(['volume.create.end', 'volume.create.start'])
    }))

  it.each(['ceph', 'chunked'] as const)('damage a backup that stays available (%s)', (driver) =>
    withSandbox({ driver }, async (sandbox, admin) => {
      const good = await backedUp(sandbox, admin)
      expect(await restored(sandbox, admin, good.backup)).toEqual({ status: 'available', same: true })
      sandbox.faults.add({ kind: 'damage-backup', how: 'flip' })
      const flipped = await backedUp(sandbox, admin)
      expect(await settles(admin, `/backups/${flipped.backup}`)).toBe('available')
      expect(await restored(sandbox, admin, flipped.backup)).toEqual({ status: 'available', same: false })
      await sandbox.damageBackup(good.backup, 'truncate')
      expect(await restored(sandbox, admin, good.backup)).toEqual({ status: 'available', same: false })
      const gone = await backedUp(sandbox, admin)
      await sandbox.damageBackup(gone.backup, 'gone')
      expect(await restored(sandbox, admin, gone.backup)).toEqual({ status: 'error_restoring', same: false })
      expect(await settles(admin, `/backups/${gone.backup}`, 'restoring')).toBe('available')
    }),
  )

  it('reach the incremental backups that read the damaged block from their parent', () =>
    withSandbox({ driver: 'chunked' }, async (sandbox, admin) => {
      const { volume, backup } = await backedUp(sandbox, admin)
      const child = idOf(await admin.call('POST', '/backups', { backup: { volume_id: volume, incremental: true } }))
      await settles(admin, `/backups/${child}`, 'creating')
      await sandbox.damageBackup(backup, 'flip')
      expect(await restored(sandbox, admin, child)).toEqual({ status: 'available', same: false })
    }))

  it('take the backup service away: accepted, then an error', () =>
    withSandbox({}, async (sandbox, admin) => {
      const volume = await makeVolume(admin)
      const id = sandbox.faults.add({ kind: 'no-backup-service' })
      const answer = await admin.call('POST', '/backups', { backup: { volume_id: volume } })
      expect(answer.status).toBe(202)
      expect(await settles(admin, `/backups/${idOf(answer)}`, 'creating')).toBe('error')
      expect(await admin.call('GET', '/os-services?binary=cinder-backup')).toMatchObject({
        body: { services: [{ state: 'down' }] },
      })
      sandbox.faults.remove(id)
      await backedUp(sandbox, admin)
    }))

  it('are asked for, counted and cleared over HTTP, each kind that is documented', () =>
    withSandbox({}, async (sandbox) => {
      const url = `${sandbox.url}/_sandbox/faults`
      for (const [what, body] of faultExamples)
        expect([what, (await request('POST', url, {}, body)).status]).toEqual([what, 201])
      expect((await request('POST', url, {}, { kind: 'fire' })).status).toBe(400)
      expect((await request('POST', url, {}, { kind: 'status', status: 503, path: '(' })).status).toBe(400)
      const listed = (await request('GET', url)).body as { faults: { kind: string; hits: number }[] }
      expect(listed.faults.map(({ kind }) => kind)).toEqual(faultExamples.map(([, body]) => body['kind']))
      expect((await request('DELETE', url)).status).toBe(204)
      expect(sandbox.faults.list()).toEqual([])
    }))
})

describe('the record', () => {
  it('keeps requests with their status and how many were answered at once, but no token and no password', () =>
    withSandbox({ delays: { 'volume.create': 1 } }, async (sandbox, admin) => {
      sandbox.faults.add({ kind: 'slow', milliseconds: 100, path: '/limits', count: 3 })
      await Promise.all([1, 2, 3].map(() => admin.call('GET', '/limits')))
      const record = await request('GET', `${sandbox.url}/_sandbox/record`)
      expect(record.body).toMatchObject({ maxConcurrent: 3 })
      const text = JSON.stringify(record.body)
      expect(text).toContain('/limits')
      expect(text).not.toContain('secret')
      for (const token of sandbox.state.tokens.keys()) expect(text).not.toContain(token)
    }))
})

describe('what the sandbox stores', () => {
  it('is sparse: a volume, its snapshot and its backup take only what was written', () =>
    withSandbox({}, async (sandbox, admin) => {
      const { volume } = await backedUp(sandbox, admin)
      const snapshot = idOf(await admin.call('POST', '/snapshots', { snapshot: { volume_id: volume } }))
      await settles(admin, `/snapshots/${snapshot}`, 'creating')
      for (const path of [sandbox.volumePath(volume), sandbox.snapshotPath(snapshot)]) {
        const { size, blocks } = await stat(path)
        expect(size).toBe(2 ** 30)
        expect(blocks * 512).toBeLessThan(2 ** 20)
      }
    }))

  it('ends a token after its time', () =>
    withSandbox({ tokenSeconds: 0.2 }, async (_sandbox, admin) => {
      expect((await admin.call('GET', '/limits')).status).toBe(200)
      await new Promise((resolve) => setTimeout(resolve, 250))
      expect((await admin.call('GET', '/limits')).status).toBe(401)
    }))
})
