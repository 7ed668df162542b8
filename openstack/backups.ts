import { z } from 'zod'
import { type CinderCalls, unlessGone } from './cinder-call.js'
import type { Backup, Cinder } from './cinder.js'
import { CloudError } from './errors.js'
import { gib, id, instant, labels, maybe, maybeInstant, text } from './fields.js'
import { pages } from './pages.js'

const backup = z
  .object({
    id,
    name: text,
    description: maybe,
    status: z.string().min(1),
    volume_id: id,
    snapshot_id: maybe,
    // null until a record that is being imported has been read
    size: gib.nullable().transform((size) => size ?? 0),
    object_count: z.int().nullish(),
    container: maybe,
    // both decide what may be deleted, so that a missing one must not pass for false
    is_incremental: z.boolean(),
    has_dependent_backups: z.boolean(),
    fail_reason: maybe,
    created_at: instant,
    data_timestamp: maybeInstant,
    'os-backup-project-attr:project_id': maybe,
    metadata: labels,
  })
  .transform((raw): Backup => ({
    id: raw.id,
    name: raw.name,
    description: raw.description,
    status: raw.status,
    volumeId: raw.volume_id,
    snapshotId: raw.snapshot_id,
    sizeGib: raw.size,
    objectCount: raw.object_count ?? null,
    container: raw.container,
    isIncremental: raw.is_incremental,
    hasDependents: raw.has_dependent_backups,
    failReason: raw.fail_reason,
    createdAt: raw.created_at,
    dataTimestamp: raw.data_timestamp,
    projectId: raw['os-backup-project-attr:project_id'],
    metadata: raw.metadata,
  }))

const oneBackup = z.object({ backup })
/** All that the answer to a creation holds. */
const createdBackup = z.object({ backup: z.object({ id }) })
const restore = z.object({ restore: z.object({ volume_id: id }) })
const record = z.object({ 'backup-record': z.object({ backup_service: id, backup_url: id }) })

type BackupCalls = Pick<
  Cinder,
  'getBackup' | 'listBackups' | 'createBackup' | 'updateBackup' | 'deleteBackup' | 'restoreBackup' | 'exportRecord'
>

export function backupCalls(calls: CinderCalls): BackupCalls {
  const pathOf = (backupId: string) => `/backups/${backupId}`

  async function getBackup(backupId: string) {
    const request = { method: 'GET', path: pathOf(backupId), about: [['backup', backupId]] } as const
    return (await calls.read(oneBackup, request)).backup
  }

  return {
    getBackup,

    async *listBackups(filter = {}) {
      const { name, nameLike, volumeId, status } = filter
      const all = pages(calls, {
        name: 'backups',
        path: '/backups/detail',
        query: {
          all_tenants: filter.allProjects === true ? 1 : undefined,
          name,
          'name~': nameLike,
          volume_id: volumeId,
          status,
        },
        item: backup,
      })
      for await (const one of all) {
        // see listVolumes
        if (name !== undefined && one.name !== name) continue
        if (nameLike !== undefined && !one.name.includes(nameLike)) continue
        if (volumeId !== undefined && one.volumeId !== volumeId) continue
        if (status !== undefined && one.status !== status) continue
        yield one
      }
    },

    async createBackup(wanted) {
      const about =
        wanted.snapshotId === undefined
          ? ([['volume', wanted.volumeId]] as const)
          : ([
              ['snapshot', wanted.snapshotId],
              ['volume', wanted.volumeId],
            ] as const)
      const created = await calls.read(createdBackup, {
        method: 'POST',
        path: '/backups',
        json: {
          backup: {
            volume_id: wanted.volumeId,
            name: wanted.name,
            snapshot_id: wanted.snapshotId,
            incremental: wanted.incremental ?? false,
            force: wanted.force ?? false,
            container: wanted.container,
            description: wanted.description,
            metadata: wanted.metadata,
          },
        },
        about,
      })
      return await getBackup(created.backup.id)
    },

    async updateBackup(backupId, change) {
      await calls.act({
        method: 'PUT',
        path: pathOf(backupId),
        json: { backup: change },
        about: [['backup', backupId]],
      })
    },

    async deleteBackup(backupId) {
      const act = calls.act({ method: 'DELETE', path: pathOf(backupId), about: [['backup', backupId]] })
      await unlessGone(act, 'CK-BACKUP-GONE')
    },

    async restoreBackup(backupId, volumeId) {
      const path = `${pathOf(backupId)}/restore`
      const answer = await calls.read(restore, {
        method: 'POST',
        path,
        json: { restore: { volume_id: volumeId } },
        about: [
          ['backup', backupId],
          ['volume', volumeId],
        ],
      })
      if (answer.restore.volume_id !== volumeId) {
        throw new CloudError('CK-CLOUD-ANSWER-INVALID', `restores into volume ${answer.restore.volume_id} instead`, {
          service: 'Cinder',
          method: 'POST',
          path,
          requestId: 'none',
        })
      }
    },

    async exportRecord(backupId) {
      const path = `${pathOf(backupId)}/export_record`
      const answer = await calls.read(record, { method: 'GET', path, about: [['backup', backupId]] })
      const { backup_service: service, backup_url: url } = answer['backup-record']
      return { service, url }
    },
  }
}
