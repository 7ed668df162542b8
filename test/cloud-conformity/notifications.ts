import { connect } from 'amqplib'
import type { ChannelModel } from 'amqplib'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { connectClient, idOf, makeVolume, plain, removeAll, settles, uniqueName } from './cloud.js'
import type { Client, ConformityCloud } from './cloud.js'

const envelope = z.object({ 'oslo.version': z.literal('2.0'), 'oslo.message': z.string() })
const notification = z.looseObject({
  message_id: z.uuid(),
  publisher_id: z.string(),
  event_type: z.string(),
  priority: z.literal('INFO'),
  payload: z.looseObject({ volume_id: z.string(), status: z.string() }),
  timestamp: z.string(),
})
type Notification = z.infer<typeof notification>

/** The notifications of one volume's life, as they come off a queue of our own. */
export function notificationChecks(driver: 'ceph' | 'chunked', open: () => ConformityCloud): void {
  describe('notifications', () => {
    let admin: Client
    let connection: ChannelModel
    const heard: Notification[] = []
    let volume: string
    beforeAll(async () => {
      admin = await connectClient(open().admin)
      connection = await connect(open().amqpUrl)
      const channel = await connection.createChannel()
      const { queue } = await channel.assertQueue('', { exclusive: true })
      await channel.bindQueue(queue, open().exchange, 'notifications.info')
      await channel.consume(
        queue,
        (message) => {
          if (message === null) return
          const { 'oslo.message': text } = envelope.parse(JSON.parse(message.content.toString()))
          const parsed = notification.safeParse(JSON.parse(text))
          if (parsed.success) heard.push(parsed.data)
        },
        { noAck: true },
      )
      volume = await makeVolume(admin, { metadata: { tier: 'gold' } })
      const snapshot = idOf(
        await admin.call('POST', '/snapshots', { snapshot: { volume_id: volume, name: uniqueName('snapshot') } }),
      )
      await settles(admin, `/snapshots/${snapshot}`, 'creating')
      const backup = idOf(await admin.call('POST', '/backups', { backup: { volume_id: volume } }))
      await settles(admin, `/backups/${backup}`, 'creating')
      await admin.call('POST', `/backups/${backup}/restore`, { restore: { volume_id: volume } })
      await settles(admin, `/volumes/${volume}`, 'restoring-backup')
      await admin.call('POST', `/volumes/${volume}/action`, { 'os-extend': { new_size: 2 } })
      await settles(admin, `/volumes/${volume}`, 'extending')
      await removeAll(admin, [`/backups/${backup}`, `/snapshots/${snapshot}`, `/volumes/${volume}`])
      while (!mine().some(({ event_type: type }) => type === 'volume.delete.end')) await sleep(50)
    })
    afterAll(async () => {
      await connection.close()
    })
    const all = (): Notification[] => heard.filter(({ payload }) => payload.volume_id === volume)
    const isProgress = ({ event_type: type }: Notification) => type === 'backup.createprogress'
    /** How often progress is told depends on sizes and timers. */
    const mine = (): Notification[] => all().filter((one) => !isProgress(one))
    const one = (type: string): Notification => {
      const found = mine().filter(({ event_type: candidate }) => candidate === type)
      expect(found).toHaveLength(1)
      return found[0] as Notification
    }

    it('come in the order of the work, each from its publisher with its status', () => {
      expect(
        mine().map(({ event_type: type, publisher_id: publisher, payload }) => [
          type,
          plain(publisher),
          payload.status,
        ]),
      ).toEqual([
        ['volume.create.start', 'volume.<pool>', 'creating'],
        ['volume.create.end', 'volume.<pool>', 'available'],
        ['snapshot.create.start', 'snapshot.<backend>', 'creating'],
        ['snapshot.create.end', 'snapshot.<backend>', 'available'],
        ['backup.create.start', expect.stringMatching(/^backup\.(lab|sandbox)$/), 'creating'],
        ['backup.create.end', expect.stringMatching(/^backup\.(lab|sandbox)$/), 'available'],
        ['backup.restore.start', expect.stringMatching(/^backup\.(lab|sandbox)$/), 'restoring'],
        ['backup.restore.end', expect.stringMatching(/^backup\.(lab|sandbox)$/), 'available'],
        ['volume.resize.start', 'volume.<backend>', 'extending'],
        ['volume.resize.end', 'volume.<backend>', 'available'],
        ['backup.delete.start', expect.stringMatching(/^backup\.(lab|sandbox)$/), 'deleting'],
        ['backup.delete.end', expect.stringMatching(/^backup\.(lab|sandbox)$/), 'deleted'],
        ['snapshot.delete.start', 'snapshot.<backend>', 'deleting'],
        ['snapshot.delete.end', 'snapshot.<backend>', 'deleted'],
        ['volume.delete.start', 'volume.<backend>', 'deleting'],
        ['volume.delete.end', 'volume.<backend>', 'deleted'],
      ])
    })

    it('tell the progress of a backup, with a chunked driver alone', () => {
      const percents = all().filter(isProgress)
      expect(percents.length > 0).toBe(driver === 'chunked')
      for (const { payload } of percents) expect(payload).toHaveProperty('backup_percent')
    })

    it('carry the payloads of a volume, a snapshot and a backup', () => {
      expect(Object.keys(one('volume.create.end').payload).toSorted()).toEqual(
        [
          ...['availability_zone', 'created_at', 'display_name', 'host', 'launched_at', 'metadata'],
          ...['replication_driver_data', 'replication_extended_status', 'replication_status', 'size', 'snapshot_id'],
          ...['status', 'tenant_id', 'user_id', 'volume_attachment', 'volume_id', 'volume_type'],
        ].toSorted(),
      )
      expect(Object.keys(one('snapshot.create.end').payload).toSorted()).toEqual(
        [
          ...['availability_zone', 'created_at', 'deleted', 'display_name', 'metadata', 'snapshot_id', 'status'],
          ...['tenant_id', 'user_id', 'volume_id', 'volume_size'],
        ].toSorted(),
      )
      expect(Object.keys(one('backup.create.end').payload).toSorted()).toEqual(
        [
          ...['availability_zone', 'backup_id', 'created_at', 'display_name', 'fail_reason', 'host'],
          ...['num_dependent_backups', 'parent_id', 'service', 'service_metadata', 'size', 'snapshot_id', 'status'],
          ...['tenant_id', 'user_id', 'volume_id'],
        ].toSorted(),
      )
    })

    it('carry the context beside the payload', () => {
      const sent = one('volume.create.end')
      expect(plain(sent['_context_request_id'])).toBe('req-<uuid>')
      expect(sent['_context_project_id']).toBe(admin.projectId)
      expect(sent['_context_is_admin']).toBe(true)
      expect(plain(sent.timestamp)).toBe('<time>')
    })
  })
}
