import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { badRequest, connectClient, idOf, makeVolume, removeAll, seen, settles, uniqueName } from './cloud.js'
import type { Answer, Client, ConformityCloud } from './cloud.js'

/** Backups of volumes, restores, and the trap of the Ceph driver. */
export function backupChecks(driver: 'ceph' | 'chunked', open: () => ConformityCloud): void {
  describe('backups', () => {
    let admin: Client
    let member: Client
    let volume: string
    let backup: string
    let answer: Answer
    const meanwhile: Record<string, unknown> = {}
    const name = uniqueName('backup')
    beforeAll(async () => {
      admin = await connectClient(open().admin)
      member = await connectClient(open().member)
      volume = await makeVolume(admin, { metadata: { tier: 'gold' } })
      answer = await admin.call('POST', '/backups', { backup: { volume_id: volume, name, metadata: { 'ck:0': '{}' } } })
      backup = idOf(answer)
      const action = `/volumes/${volume}/action`
      meanwhile['extend'] = seen(await admin.call('POST', action, { 'os-extend': { new_size: 2 } }))
      meanwhile['attach'] = seen(
        await admin.call('POST', '/attachments', { attachment: { volume_uuid: volume } }, '3.54'),
      )
      meanwhile['delete'] = (await admin.call('DELETE', `/volumes/${volume}`)).status
      meanwhile['snapshot'] = seen(await admin.call('POST', '/snapshots', { snapshot: { volume_id: volume } }))
      meanwhile['backup'] = seen(await admin.call('POST', '/backups', { backup: { volume_id: volume } }))
      meanwhile['remove'] = seen(await admin.call('DELETE', `/backups/${backup}`))
      meanwhile['export'] = seen(await admin.call('GET', `/backups/${backup}/export_record`))
      expect(await settles(admin, `/backups/${backup}`, 'creating')).toBe('available')
    })
    afterAll(async () => {
      await removeAll(admin, [`/backups/${backup}`, `/volumes/${volume}`])
    })

    it('answers a create with id, name and links alone', () => {
      expect(seen(answer)).toEqual({
        status: 202,
        body: {
          backup: {
            id: '<uuid>',
            name: 'conformity-backup-<uuid>',
            links: [
              { rel: 'self', href: '<root>/v3/<hex>/backups/<uuid>' },
              { rel: 'bookmark', href: '<root>/<hex>/backups/<uuid>' },
            ],
          },
        },
      })
    })

    it('holds the volume in backing-up, which blocks everything else', () => {
      expect(meanwhile).toEqual({
        extend: badRequest(
          "Invalid volume: Volume <uuid> status must be '{'status': 'available'}' to extend, currently backing-up.",
        ),
        attach: badRequest(
          'Invalid volume: Volume <uuid> status must be available or downloading to reserve, but the current status is backing-up.',
        ),
        delete: 400,
        snapshot: badRequest(
          'Invalid volume: Volume <uuid> status must be available, but current status is: backing-up.',
        ),
        backup: badRequest(
          'Invalid volume: Volume to be backed up must be available or in-use, but the current status is "backing-up".',
        ),
        remove: badRequest('Invalid backup: Backup status must be available or error'),
        export: badRequest('Invalid backup: Backup status must be available and not creating.'),
      })
    })

    it('shows a backup without its driver, host and parent', async () => {
      expect(seen(await admin.call('GET', `/backups/${backup}`))).toEqual({
        status: 200,
        body: {
          backup: {
            id: '<uuid>',
            status: 'available',
            size: 1,
            object_count: driver === 'ceph' ? 0 : (expect.any(Number) as number),
            availability_zone: null,
            container: driver === 'ceph' ? 'backups' : (expect.any(String) as string),
            created_at: '<time>',
            updated_at: '<time>',
            name: 'conformity-backup-<uuid>',
            description: null,
            fail_reason: null,
            volume_id: '<uuid>',
            links: expect.any(Array) as unknown[],
            is_incremental: false,
            has_dependent_backups: false,
            snapshot_id: null,
            data_timestamp: '<time>',
            metadata: { 'ck:0': '{}' },
            'os-backup-project-attr:project_id': '<hex>',
            user_id: '<hex>',
          },
        },
      })
    })

    it('replaces all metadata by PUT from 3.43 on', async () => {
      const put = (version: string) =>
        admin.call('PUT', `/backups/${backup}`, { backup: { metadata: { 'ck:state': 'verified' } } }, version)
      expect((await put('3.42')).status).toBe(400)
      expect((await put('3.43')).status).toBe(200)
      expect(await admin.call('GET', `/backups/${backup}`)).toMatchObject({
        body: { backup: { metadata: { 'ck:state': 'verified' } } },
      })
      expect((await put('3.8')).status).toBe(404)
    })

    it('finds backups by name and part of a name, never by metadata', async () => {
      const found = async (query: string): Promise<unknown> => (await admin.call('GET', `/backups?${query}`)).body
      expect(await found(`name=${name}`)).toMatchObject({ backups: [{ id: backup }] })
      expect(await found(`name~=${name.slice(-20)}`)).toMatchObject({ backups: [{ id: backup }] })
      expect(await found('metadata=ck')).toEqual({ backups: [] })
    })

    it('exports the driver in a record, to an admin', async () => {
      const record = (await admin.call('GET', `/backups/${backup}/export_record`)).body as {
        'backup-record': { backup_service: string; backup_url: string }
      }
      const { backup_service: service, backup_url: url } = record['backup-record']
      expect(service).toMatch(driver === 'ceph' ? /\.ceph\.CephBackupDriver$/ : /\.posix\.PosixBackupDriver$/)
      const decoded = JSON.parse(Buffer.from(url, 'base64').toString()) as Record<string, unknown>
      expect(decoded).toMatchObject({ id: backup, volume_id: volume, service, parent_id: null, status: 'available' })
      expect((await member.call('GET', `/backups/${backup}/export_record`)).status).toBe(404)
    })

    it('keeps the parent of an incremental backup', async () => {
      const child = idOf(await admin.call('POST', '/backups', { backup: { volume_id: volume, incremental: true } }))
      expect(await settles(admin, `/backups/${child}`, 'creating')).toBe('available')
      expect(await admin.call('GET', `/backups/${child}`)).toMatchObject({ body: { backup: { is_incremental: true } } })
      expect(await admin.call('GET', `/backups/${backup}`)).toMatchObject({
        body: { backup: { has_dependent_backups: true } },
      })
      expect(seen(await admin.call('DELETE', `/backups/${backup}`))).toEqual(
        badRequest('Invalid backup: Incremental backups exist for this backup.'),
      )
      await removeAll(admin, [`/backups/${child}`])
    })

    it('restores into an available volume, keeps its name, and replaces its metadata', async () => {
      const target = await makeVolume(admin, { metadata: { own: '1' } })
      const asked = await admin.call('POST', `/backups/${backup}/restore`, { restore: { volume_id: target } })
      expect(seen(asked)).toEqual({
        status: 202,
        body: { restore: { backup_id: '<uuid>', volume_id: '<uuid>', volume_name: 'conformity-volume-<uuid>' } },
      })
      expect(await settles(admin, `/volumes/${target}`, 'restoring-backup')).toBe('available')
      expect(seen(await admin.call('GET', `/volumes/${target}`))).toMatchObject({
        body: { volume: { name: 'conformity-volume-<uuid>', metadata: { tier: 'gold', src_backup_id: '<uuid>' } } },
      })
      expect(await settles(admin, `/backups/${backup}`, 'restoring')).toBe('available')
      await removeAll(admin, [`/volumes/${target}`])
    })

    it('refuses an incremental without a parent, and a snapshot of another volume', async () => {
      const other = await makeVolume(admin)
      expect(seen(await admin.call('POST', '/backups', { backup: { volume_id: other, incremental: true } }))).toEqual(
        badRequest('Invalid backup: No backups available to do an incremental backup.'),
      )
      await removeAll(admin, [`/volumes/${other}`])
    })

    if (driver !== 'ceph') return

    it('loses the good snapshot backup when the errored one is deleted (Ceph driver)', async () => {
      const source = await makeVolume(admin)
      const snapshot = idOf(await admin.call('POST', '/snapshots', { snapshot: { volume_id: source } }))
      await settles(admin, `/snapshots/${snapshot}`, 'creating')
      const make = async (): Promise<string> => {
        const id = idOf(await admin.call('POST', '/backups', { backup: { volume_id: source, snapshot_id: snapshot } }))
        await settles(admin, `/backups/${id}`, 'creating')
        return id
      }
      const good = await make()
      const errored = await make()
      expect(await admin.call('GET', `/backups/${errored}`)).toMatchObject({
        body: {
          backup: { status: 'error', fail_reason: '[errno 17] RBD image already exists (error creating image)' },
        },
      })
      expect(await admin.call('GET', `/messages?resource_uuid=${errored}`)).toMatchObject({
        body: { messages: [{ event_id: 'VOLUME_VOLUME_BACKUP_013_020' }] },
      })
      await removeAll(admin, [`/backups/${errored}`])
      const target = await makeVolume(admin)
      await admin.call('POST', `/backups/${good}/restore`, { restore: { volume_id: target } })
      expect(await settles(admin, `/volumes/${target}`, 'restoring-backup')).toBe('error_restoring')
      expect(await settles(admin, `/backups/${good}`, 'restoring')).toBe('available')
      expect(await admin.call('GET', `/messages?resource_uuid=${good}`)).toMatchObject({
        body: { messages: [{ event_id: 'VOLUME_VOLUME_BACKUP_015_026' }] },
      })
      await removeAll(admin, [`/backups/${good}`, `/snapshots/${snapshot}`, `/volumes/${target}`, `/volumes/${source}`])
    })

    it('refuses force delete (Ceph driver)', async () => {
      expect(seen(await admin.call('POST', `/backups/${backup}/action`, { 'os-force_delete': {} }))).toEqual({
        status: 405,
        body: { badMethod: { code: 405, message: 'Operation not supported: force delete.' } },
      })
    })
  })
}
