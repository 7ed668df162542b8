import { randomUUID } from 'node:crypto'
import { z } from 'zod'
import { badRequest, noAction } from './api-error.js'
import { bool, metadata, parseBody, text, uuid } from './bodies.js'
import type { Caller, Cloud } from './cloud.js'
import { later, snapshotPath, volumePath } from './cloud.js'
import { copySparse } from './files.js'
import { findSnapshot, findVolume, requireAdmin } from './find.js'
import { writesOf } from './guest.js'
import type { ApiRequest, Handler, Route } from './http.js'
import { listed, matchesMetadata, matchesText } from './listing.js'
import { leaveMessage } from './messages.js'
import { metadataRoutes } from './metadata.js'
import { notifySnapshot } from './payloads.js'
import { reserve } from './quotas.js'
import { writersOf } from './server-guest.js'
import type { SnapshotRecord, VolumeRecord } from './state.js'
import { databaseTime } from './state.js'
import { dropSnapshot } from './volumes.js'

const createBody = z.object({
  snapshot: z.strictObject({
    volume_id: uuid,
    name: text,
    description: text,
    display_name: text,
    display_description: text,
    force: bool.nullish(),
    metadata: metadata.nullish(),
  }),
})
const updateBody = z.object({
  snapshot: z.strictObject({ name: text, description: text, display_name: text, display_description: text }),
})

/** `/snapshots`. */
export function snapshotRoutes(cloud: Cloud): readonly Route[] {
  const list =
    (detail: boolean): Handler =>
    (request) => ({ status: 200, body: listSnapshots(cloud, request, detail) })
  const update: Handler = (request) => {
    const snapshot = findSnapshot(cloud, request)
    const asked = parseBody(updateBody, request.body).snapshot
    notifySnapshot(cloud, request.caller, snapshot, 'update.start')
    const name = asked.name ?? asked.display_name
    const description = asked.description ?? asked.display_description
    if (name !== undefined) snapshot.name = name
    if (description !== undefined) snapshot.description = description
    snapshot.updatedAt = databaseTime()
    notifySnapshot(cloud, request.caller, snapshot, 'update.end')
    return { status: 200, body: { snapshot: shown(request, snapshot, false) } }
  }
  const act: Handler = (request) => {
    const snapshot = findSnapshot(cloud, request)
    const body = request.body as Record<string, { status?: string } | null> | undefined
    if (body !== undefined && 'os-reset_status' in body) {
      requireAdmin(request, 'volume_extension:snapshot_admin_actions:reset_status')
      notifySnapshot(cloud, request.caller, snapshot, 'reset_status.start')
      snapshot.status = (body['os-reset_status']?.status ?? 'error').toLowerCase()
      notifySnapshot(cloud, request.caller, snapshot, 'reset_status.end')
      return { status: 202 }
    }
    if (body !== undefined && 'os-force_delete' in body) {
      requireAdmin(request, 'volume_extension:snapshot_admin_actions:force_delete')
      deleteSnapshot(cloud, request.caller, snapshot, true)
      return { status: 202 }
    }
    throw noAction(Object.keys(body ?? {})[0])
  }
  return [
    ['GET', '/snapshots', list(false)],
    ['GET', '/snapshots/detail', list(true)],
    [
      'POST',
      '/snapshots',
      (request) => ({ status: 202, body: { snapshot: shown(request, acceptSnapshot(cloud, request), false) } }),
    ],
    [
      'GET',
      '/snapshots/:id',
      (request) => ({ status: 200, body: { snapshot: shown(request, findSnapshot(cloud, request), true) } }),
    ],
    ['PUT', '/snapshots/:id', update],
    [
      'DELETE',
      '/snapshots/:id',
      (request) => {
        deleteSnapshot(cloud, request.caller, findSnapshot(cloud, request), false)
        return { status: 202 }
      },
    ],
    ['POST', '/snapshots/:id/action', act],
    ...metadataRoutes('snapshots', (request) => findSnapshot(cloud, request)),
  ]
}

/** @param extended with the admin's attributes; a create's answer has none of them */
function shown(request: ApiRequest, snapshot: SnapshotRecord, extended: boolean): unknown {
  return {
    id: snapshot.id,
    created_at: snapshot.createdAt,
    updated_at: snapshot.updatedAt,
    name: snapshot.name,
    description: snapshot.description,
    volume_id: snapshot.volumeId,
    status: snapshot.status,
    size: snapshot.size,
    metadata: snapshot.metadata,
    ...(extended
      ? {
          'os-extended-snapshot-attributes:project_id': snapshot.projectId,
          'os-extended-snapshot-attributes:progress': snapshot.status === 'creating' ? '0%' : '100%',
        }
      : {}),
    ...(request.minor >= 14 ? { group_snapshot_id: null } : {}),
    ...(request.minor >= 41 ? { user_id: snapshot.userId } : {}),
    ...(request.minor >= 65 ? { consumes_quota: true } : {}),
  }
}

function listSnapshots(cloud: Cloud, request: ApiRequest, detail: boolean): unknown {
  return listed(request, {
    collection: 'snapshots',
    items: cloud.state.snapshots.values(),
    detail,
    filters: {
      name: (snapshot, value, like) => matchesText(snapshot.name, value, like),
      status: (snapshot, value, like) => matchesText(snapshot.status, value, like),
      volume_id: (snapshot, value) => snapshot.volumeId === value,
      metadata: (snapshot, value) => matchesMetadata(snapshot.metadata, value),
      availability_zone: () => true,
    },
    sort: {
      id: (snapshot) => snapshot.id,
      name: (snapshot) => snapshot.name ?? '',
      status: (snapshot) => snapshot.status,
    },
    show: (snapshot) => shown(request, snapshot, detail),
  })
}

function acceptSnapshot(cloud: Cloud, request: ApiRequest): SnapshotRecord {
  const asked = parseBody(createBody, request.body).snapshot
  const volume = findVolume(cloud, request, asked.volume_id)
  // from 3.66 a volume in use needs no force, and false is refused (api/v3/snapshots.py)
  if (request.minor >= 66 && asked.force === false) {
    throw badRequest(
      "Since microversion 3.66 the 'force' flag is invalid for this request.  For backward compatability, however, when the 'force' flag is passed with a value evaluating to True, it is silently ignored.",
    )
  }
  const valid = asked.force === true || request.minor >= 66 ? ['available', 'in-use'] : ['available']
  if (!valid.includes(volume.status)) {
    throw badRequest(
      `Invalid volume: Volume ${volume.id} status must be ${valid.join(', ')}, but current status is: ${volume.status}.`,
    )
  }
  return makeSnapshot(cloud, request.caller, volume, {
    name: asked.name ?? asked.display_name ?? null,
    description: asked.description ?? asked.display_description ?? null,
    metadata: asked.metadata ?? {},
  })
}

/** Begins a snapshot: `creating`, and later `available`. @throws 413 when the caller's project has no room */
export function makeSnapshot(
  cloud: Cloud,
  caller: Caller,
  volume: VolumeRecord,
  given: Pick<SnapshotRecord, 'name' | 'description' | 'metadata'>,
): SnapshotRecord {
  reserve(cloud, caller.projectId, 'snapshots', volume.size)
  const snapshot: SnapshotRecord = {
    id: randomUUID(),
    ...given,
    status: 'creating',
    volumeId: volume.id,
    size: volume.size,
    projectId: caller.projectId,
    userId: caller.userId,
    createdAt: databaseTime(),
    updatedAt: null,
    frozen: false,
    writes: null,
    globalRequestId: caller.globalRequestId,
  }
  cloud.state.snapshots.set(snapshot.id, snapshot)
  cloud.load.began('snapshot', snapshot)
  later(cloud, 'snapshot.create', {
    act: async () => {
      notifySnapshot(cloud, caller, snapshot, 'create.start')
      const writers = writersOf(cloud, volume.id)
      const freezes = writers.map(({ guest }) => guest.freezes)
      snapshot.writes = writers[0] === undefined ? null : writesOf(writers[0].guest)
      await copySparse(volumePath(cloud, volume.id), snapshotPath(cloud, snapshot.id))
      // by one and the same freeze from the first byte to the last
      snapshot.frozen =
        writers.length > 0 && writers.every(({ guest }, at) => guest.frozen && guest.freezes === freezes[at])
      snapshot.status = 'available'
      snapshot.updatedAt = databaseTime()
      notifySnapshot(cloud, caller, snapshot, 'create.end')
    },
    fail: () => {
      snapshot.status = 'error'
    },
  })
  return snapshot
}

/** Accepts, and later silently returns to `available` while a volume cloned from it lives (SnapshotIsBusy). */
function deleteSnapshot(cloud: Cloud, caller: Caller, snapshot: SnapshotRecord, force: boolean): void {
  if (!force && !['available', 'error'].includes(snapshot.status)) {
    throw badRequest('Invalid snapshot: Snapshot status must be available or error and must not be part of a group.')
  }
  snapshot.status = 'deleting'
  later(cloud, 'snapshot.delete', {
    act: async () => {
      const children = [...cloud.state.volumes.values()].filter((volume) => volume.snapshotId === snapshot.id)
      if (children.length === 0) {
        await dropSnapshot(cloud, caller, snapshot)
        return
      }
      notifySnapshot(cloud, caller, snapshot, 'delete.start')
      snapshot.status = 'available'
      leaveMessage(cloud, caller, { type: 'VOLUME_SNAPSHOT', id: snapshot.id }, 'deleteSnapshot', 'snapshotIsBusy')
    },
    fail: () => {
      snapshot.status = 'error_deleting'
    },
  })
}
