/** What Cinder tells about itself and about failures, and the one repair that its API has. */
import { z } from 'zod'
import type { CinderCalls } from './cinder-call.js'
import type { Cinder, Message, Service } from './cinder.js'
import { id, instant, maybe, text } from './fields.js'
import { pages } from './pages.js'

const limits = z.object({
  limits: z.object({
    absolute: z
      .object({
        maxTotalVolumes: z.int(),
        totalVolumesUsed: z.int(),
        maxTotalSnapshots: z.int(),
        totalSnapshotsUsed: z.int(),
        maxTotalVolumeGigabytes: z.int(),
        totalGigabytesUsed: z.int(),
        maxTotalBackups: z.int(),
        totalBackupsUsed: z.int(),
        maxTotalBackupGigabytes: z.int(),
        totalBackupGigabytesUsed: z.int(),
      })
      .transform((raw) => ({
        maxVolumes: raw.maxTotalVolumes,
        usedVolumes: raw.totalVolumesUsed,
        maxSnapshots: raw.maxTotalSnapshots,
        usedSnapshots: raw.totalSnapshotsUsed,
        maxGigabytes: raw.maxTotalVolumeGigabytes,
        usedGigabytes: raw.totalGigabytesUsed,
        maxBackups: raw.maxTotalBackups,
        usedBackups: raw.totalBackupsUsed,
        maxBackupGigabytes: raw.maxTotalBackupGigabytes,
        usedBackupGigabytes: raw.totalBackupGigabytesUsed,
      })),
  }),
})

const service = z
  .object({ binary: z.string(), host: z.string(), status: z.string(), state: z.string(), zone: maybe })
  .transform((raw): Service => ({
    binary: raw.binary,
    host: raw.host,
    status: raw.status,
    state: raw.state,
    availabilityZone: raw.zone,
  }))

const message = z
  .object({ id, event_id: text, user_message: text, message_level: text, created_at: instant })
  .transform((raw): Message => ({
    id: raw.id,
    eventId: raw.event_id,
    userMessage: raw.user_message,
    level: raw.message_level,
    createdAt: raw.created_at,
  }))

type StateCalls = Pick<Cinder, 'getLimits' | 'listServices' | 'listMessages' | 'resetStatus'>

export function stateCalls(calls: CinderCalls): StateCalls {
  return {
    async getLimits() {
      return (await calls.read(limits, { method: 'GET', path: '/limits' })).limits.absolute
    },

    async listServices(filter = {}) {
      const all = await calls.read(z.object({ services: z.array(service) }), {
        method: 'GET',
        path: '/os-services',
        query: { binary: filter.binary },
      })
      return all.services.filter((one) => filter.binary === undefined || one.binary === filter.binary)
    },

    async listMessages(resourceId) {
      const query = { resource_uuid: resourceId }
      const all: Message[] = []
      for await (const one of pages(calls, { name: 'messages', path: '/messages', query, item: message })) all.push(one)
      return all
    },

    async resetStatus(kind, objectId, status) {
      await calls.act({
        method: 'POST',
        path: `/${kind}/${objectId}/action`,
        json: { 'os-reset_status': { status } },
        about: [[({ volumes: 'volume', snapshots: 'snapshot', backups: 'backup' } as const)[kind], objectId]],
      })
    },
  }
}
