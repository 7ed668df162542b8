import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { badRequest, connectClient, idOf, makeVolume, removeAll, seen, settles, uniqueName } from './cloud.js'
import type { Client, ConformityCloud } from './cloud.js'

/** Snapshots, and what they keep from being deleted. */
export function snapshotChecks(open: () => ConformityCloud): void {
  describe('snapshots', () => {
    let admin: Client
    let volume: string
    let snapshot: string
    const name = uniqueName('snapshot')
    beforeAll(async () => {
      admin = await connectClient(open().admin)
      volume = await makeVolume(admin)
      const answer = await admin.call('POST', '/snapshots', {
        snapshot: { volume_id: volume, name, metadata: { k: 'v' } },
      })
      expect(seen(answer)).toMatchObject({ status: 202, body: { snapshot: { status: 'creating', size: 1 } } })
      snapshot = idOf(answer)
      expect(await settles(admin, `/snapshots/${snapshot}`, 'creating')).toBe('available')
    })
    afterAll(async () => {
      await removeAll(admin, [`/snapshots/${snapshot}`, `/volumes/${volume}`])
    })

    it('shows a snapshot', async () => {
      expect(seen(await admin.call('GET', `/snapshots/${snapshot}`, undefined, '3.70'))).toEqual({
        status: 200,
        body: {
          snapshot: {
            id: '<uuid>',
            created_at: '<time>',
            updated_at: '<time>',
            name: 'conformity-snapshot-<uuid>',
            description: null,
            volume_id: '<uuid>',
            status: 'available',
            size: 1,
            metadata: { k: 'v' },
            group_snapshot_id: null,
            user_id: '<hex>',
            consumes_quota: true,
            'os-extended-snapshot-attributes:project_id': '<hex>',
            'os-extended-snapshot-attributes:progress': '100%',
          },
        },
      })
      expect(await admin.call('GET', `/snapshots?name=${name}&volume_id=${volume}`)).toMatchObject({
        body: { snapshots: [{ id: snapshot }] },
      })
    })

    it('keeps its volume from being deleted', async () => {
      expect(seen(await admin.call('DELETE', `/volumes/${volume}`))).toEqual(
        badRequest(
          'Invalid volume: Volume status must be available or error or error_restoring or error_extending or error_managing and must not be migrating, attached, belong to a group, have snapshots, awaiting a transfer, or be disassociated from snapshots after volume transfer.',
        ),
      )
    })

    it('accepts its deletion and silently stays when a volume was cloned from it', async () => {
      const clone = await makeVolume(admin, { snapshot_id: snapshot })
      expect((await admin.call('DELETE', `/snapshots/${snapshot}`)).status).toBe(202)
      expect(await settles(admin, `/snapshots/${snapshot}`, 'deleting')).toBe('available')
      // Cinder writes it a moment after the status
      const told = () => admin.call('GET', `/messages?resource_uuid=${snapshot}`)
      await expect.poll(told, { timeout: 60_000 }).toMatchObject({
        body: {
          messages: [
            {
              event_id: 'VOLUME_VOLUME_SNAPSHOT_010_015',
              user_message: 'delete snapshot:Snapshot is busy.',
              message_level: 'ERROR',
            },
          ],
        },
      })
      await removeAll(admin, [`/volumes/${clone}`])
    })

    it('needs no force from 3.66 on, and refuses a false one there', async () => {
      const answer = await admin.call('POST', '/snapshots', { snapshot: { volume_id: volume, force: false } }, '3.66')
      expect(seen(answer)).toMatchObject({ status: 400 })
    })
  })
}
