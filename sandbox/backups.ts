import { z } from 'zod'
import { ApiError, badRequest, noAction } from './api-error.js'
import { acceptBackup } from './backup-create.js'
import { deleteBackup } from './backup-delete.js'
import { exportRecord, importRecord } from './backup-record.js'
import { acceptRestore } from './backup-restore.js'
import { bool, metadata, parseBody, text, uuid } from './bodies.js'
import type { Cloud } from './cloud.js'
import { findBackup, requireAdmin } from './find.js'
import type { ApiRequest, Handler, Route } from './http.js'
import { listed, matchesText } from './listing.js'
import { notifyBackup } from './payloads.js'
import type { BackupRecord } from './state.js'
import { databaseTime } from './state.js'
import { linksOf } from './volume-view.js'

const createFields = {
  volume_id: uuid,
  container: z.string().nullish(),
  description: text,
  incremental: bool.optional(),
  force: bool.optional(),
  name: text,
  snapshot_id: uuid.nullish(),
}
const createBody = z.object({ backup: z.strictObject(createFields) })
const createBody43 = z.object({ backup: z.strictObject({ ...createFields, metadata: metadata.nullish() }) })
const createBody51 = z.object({
  backup: z.strictObject({ ...createFields, metadata: metadata.nullish(), availability_zone: z.string().nullish() }),
})
const updateBody = z.object({ backup: z.strictObject({ name: text, description: text }) })
const updateBody43 = z.object({
  backup: z.strictObject({ name: text, description: text, metadata: metadata.optional() }),
})
const restoreBody = z.object({ restore: z.strictObject({ name: text, volume_id: uuid.nullish() }) })
const importBody = z.object({
  'backup-record': z.strictObject({ backup_service: z.string().min(1), backup_url: z.string().min(1) }),
})

/** `/backups`. */
export function backupRoutes(cloud: Cloud): readonly Route[] {
  const list =
    (detail: boolean): Handler =>
    (request) => ({ status: 200, body: listBackups(cloud, request, detail) })
  const create: Handler = (request) => {
    const schema = request.minor >= 51 ? createBody51 : request.minor >= 43 ? createBody43 : createBody
    const backup = acceptBackup(cloud, request, parseBody<z.infer<typeof createBody51>>(schema, request.body).backup)
    return { status: 202, body: { backup: summary(request, backup) } }
  }
  const update: Handler = (request) => {
    const backup = findBackup(cloud, request)
    const asked = parseBody<z.infer<typeof updateBody43>>(
      request.minor >= 43 ? updateBody43 : updateBody,
      request.body,
    ).backup
    if (asked.name !== undefined) backup.name = asked.name
    if (asked.description !== undefined) backup.description = asked.description
    if (asked.metadata !== undefined) backup.metadata = asked.metadata
    backup.updatedAt = databaseTime()
    return { status: 200, body: { backup: summary(request, backup) } }
  }
  const restore: Handler = async (request) => {
    const backup = findBackup(cloud, request)
    const asked = parseBody(restoreBody, request.body).restore
    const volume = await acceptRestore(cloud, request, backup, asked)
    return { status: 202, body: { restore: { backup_id: backup.id, volume_id: volume.id, volume_name: volume.name } } }
  }
  return [
    ['GET', '/backups', list(false)],
    ['GET', '/backups/detail', list(true)],
    ['POST', '/backups', create],
    [
      'GET',
      '/backups/:id',
      (request) => ({ status: 200, body: { backup: shown(cloud, request, findBackup(cloud, request)) } }),
    ],
    ['PUT', '/backups/:id', update, 9],
    [
      'DELETE',
      '/backups/:id',
      (request) => {
        deleteBackup(cloud, request.caller, findBackup(cloud, request), false)
        return { status: 202 }
      },
    ],
    ['POST', '/backups/:id/restore', restore],
    [
      'GET',
      '/backups/:id/export_record',
      (request) => {
        const backup = findBackup(cloud, request)
        requireAdmin(request, 'backup:export-import')
        return { status: 200, body: { 'backup-record': exportRecord(backup) } }
      },
    ],
    [
      'POST',
      '/backups/import_record',
      (request) => {
        requireAdmin(request, 'backup:export-import')
        const backup = importRecord(cloud, request.caller, parseBody(importBody, request.body)['backup-record'])
        return { status: 201, body: { backup: summary(request, backup) } }
      },
    ],
    ['POST', '/backups/:id/action', (request) => act(cloud, request)],
  ]
}

const resetBody = z.object({ 'os-reset_status': z.object({ status: z.string() }) })

function act(cloud: Cloud, request: ApiRequest): { status: number } {
  const backup = findBackup(cloud, request)
  const body = (request.body ?? {}) as Record<string, unknown>
  if ('os-reset_status' in body) {
    requireAdmin(request, 'volume_extension:backup_admin_actions:reset_status')
    const { status } = parseBody(resetBody, body)['os-reset_status']
    if (!['available', 'error'].includes(status)) {
      throw badRequest(`Backup status: ${status} is invalid, valid statuses are: ['available', 'error'].`)
    }
    notifyBackup(cloud, request.caller, backup, 'reset_status.start')
    backup.status = status
    notifyBackup(cloud, request.caller, backup, 'reset_status.end')
    return { status: 202 }
  }
  if ('os-force_delete' in body) {
    requireAdmin(request, 'volume_extension:backup_admin_actions:force_delete')
    if (!cloud.driver.supportsForceDelete) throw new ApiError(405, 'Operation not supported: force delete.')
    deleteBackup(cloud, request.caller, backup, true)
    return { status: 202 }
  }
  throw noAction(Object.keys(body)[0])
}

const summary = (request: ApiRequest, backup: BackupRecord): unknown => ({
  id: backup.id,
  name: backup.name,
  links: linksOf(request, 'backups', backup.id),
})

/** Shows neither driver, host nor parent (facts/openstack.md 1). */
function shown(cloud: Cloud, request: ApiRequest, backup: BackupRecord): unknown {
  const { minor, caller } = request
  return {
    id: backup.id,
    status: backup.status,
    size: backup.size,
    object_count: backup.objectCount,
    availability_zone: backup.availabilityZone,
    container: backup.container,
    created_at: backup.createdAt,
    updated_at: backup.updatedAt,
    name: backup.name,
    description: backup.description,
    fail_reason: backup.failReason,
    volume_id: backup.volumeId,
    links: linksOf(request, 'backups', backup.id),
    is_incremental: backup.parentId !== null,
    has_dependent_backups: [...cloud.state.backups.values()].some(
      (other) => other.parentId === backup.id && other.status !== 'creating' && other.status !== 'error',
    ),
    snapshot_id: backup.snapshotId,
    data_timestamp: backup.dataTimestamp,
    ...(minor >= 43 ? { metadata: backup.metadata } : {}),
    ...(minor >= 18 && caller.isAdmin ? { 'os-backup-project-attr:project_id': backup.projectId } : {}),
    ...(minor >= 56 && caller.isAdmin ? { user_id: backup.userId } : {}),
  }
}

function listBackups(cloud: Cloud, request: ApiRequest, detail: boolean): unknown {
  return listed(request, {
    collection: 'backups',
    items: cloud.state.backups.values(),
    detail,
    filters: {
      name: (backup, value, like) => matchesText(backup.name, value, like),
      status: (backup, value, like) => matchesText(backup.status, value, like),
      volume_id: (backup, value) => backup.volumeId === value,
    },
    sort: {
      id: (backup) => backup.id,
      name: (backup) => backup.name ?? '',
      status: (backup) => backup.status,
      size: (backup) => backup.size,
      data_timestamp: (backup) => backup.dataTimestamp,
    },
    show: (backup) => (detail ? shown(cloud, request, backup) : summary(request, backup)),
  })
}
