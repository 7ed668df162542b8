import { randomUUID } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { z } from 'zod'
import { badRequest } from './api-error.js'
import { bool, metadata, parseBody, text, uuid } from './bodies.js'
import { restoreInto } from './backup-restore.js'
import type { Caller, Cloud } from './cloud.js'
import { later, snapshotPath, volumeHost, volumePath } from './cloud.js'
import { copySparse, makeSparse } from './files.js'
import { findBackup, findSnapshot, findVolume } from './find.js'
import type { ApiRequest, Handler, Route } from './http.js'
import { isTrue, listed, matchesMetadata, matchesText } from './listing.js'
import { notifySnapshot, notifyVolume } from './payloads.js'
import { reserve } from './quotas.js'
import type { SnapshotRecord, VolumeRecord } from './state.js'
import { databaseTime } from './state.js'
import { findType } from './types.js'
import { coreOf, shownVolume, volumeSummary } from './volume-view.js'
import { metadataRoutes } from './metadata.js'

const malformedRequest =
  'The server could not comply with the request since it is either malformed or otherwise incorrect.'

const createFields = {
  name: text,
  description: text,
  display_name: text,
  display_description: text,
  size: z.union([z.number().int().min(1), z.string().regex(/^[0-9]+$/)]).nullish(),
  volume_type: z.string().nullish(),
  snapshot_id: uuid.nullish(),
  source_volid: uuid.nullish(),
  consistencygroup_id: uuid.nullish(),
  group_id: z.string().nullish(),
  backup_id: uuid.nullish(),
  availability_zone: z.string().nullish(),
  metadata: metadata.nullish(),
  imageRef: z.string().nullish(),
  image_id: z.string().nullish(),
  multiattach: bool.nullish(),
}
const createBody = z.object({ volume: z.object(createFields) })
/** From 3.53 on what is unknown is refused. */
const createBody53 = z.object({ volume: z.strictObject(createFields) })
const updateBody = z.object({
  volume: z.strictObject({
    name: text,
    description: text,
    display_name: text,
    display_description: text,
    metadata: metadata.optional(),
  }),
})

/** `/volumes`. */
export function volumeRoutes(cloud: Cloud): readonly Route[] {
  const list =
    (detail: boolean): Handler =>
    (request) => ({ status: 200, body: listVolumes(cloud, request, detail) })
  const create: Handler = (request) => {
    const volume = acceptVolume(cloud, request)
    return { status: 202, body: { volume: coreOf(cloud, request, volume) } }
  }
  const update: Handler = (request) => {
    const volume = findVolume(cloud, request)
    const asked = parseBody(updateBody, request.body).volume
    if (request.minor >= 53 && Object.keys(asked).length === 0) {
      throw badRequest(
        'Invalid input for field/attribute volume. Value: {}. {} is not valid under any of the given schemas',
      )
    }
    notifyVolume(cloud, request.caller, volume, 'update.start', 'api')
    const name = asked.name ?? asked.display_name
    const description = asked.description ?? asked.display_description
    if (name !== undefined) volume.name = name
    if (description !== undefined) volume.description = description
    if (asked.metadata !== undefined) volume.metadata = asked.metadata
    volume.updatedAt = databaseTime()
    notifyVolume(cloud, request.caller, volume, 'update.end', 'api')
    return { status: 200, body: { volume: coreOf(cloud, request, volume) } }
  }
  return [
    ['GET', '/volumes', list(false)],
    ['GET', '/volumes/detail', list(true)],
    ['POST', '/volumes', create],
    [
      'GET',
      '/volumes/:id',
      (request) => ({ status: 200, body: { volume: shownVolume(cloud, request, findVolume(cloud, request)) } }),
    ],
    ['PUT', '/volumes/:id', update],
    [
      'DELETE',
      '/volumes/:id',
      (request) => {
        deleteVolume(cloud, request.caller, findVolume(cloud, request), {
          force: request.minor >= 23 && isTrue(request.query.get('force')),
          cascade: isTrue(request.query.get('cascade')),
        })
        return { status: 202 }
      },
    ],
    ...metadataRoutes('volumes', (request) => findVolume(cloud, request)),
  ]
}

function listVolumes(cloud: Cloud, request: ApiRequest, detail: boolean): unknown {
  return listed(request, {
    collection: 'volumes',
    items: cloud.state.volumes.values(),
    detail,
    filters: {
      name: (volume, value, like) => matchesText(volume.name, value, like),
      status: (volume, value, like) => matchesText(volume.status, value, like),
      metadata: (volume, value) => matchesMetadata(volume.metadata, value),
      bootable: (volume, value) => String(volume.bootable) === value.toLowerCase(),
      size: (volume, value) => volume.size === Number(value),
      migration_status: (volume, value) => (volume.migrationStatus ?? 'none') === value,
      availability_zone: (volume, value) => volume.availabilityZone === value,
      ...(request.caller.isAdmin ? { host: (volume: VolumeRecord, value: string) => volume.host === value } : {}),
    },
    sort: {
      id: (volume) => volume.id,
      name: (volume) => volume.name ?? '',
      status: (volume) => volume.status,
      size: (volume) => volume.size,
    },
    show: (volume) => (detail ? shownVolume(cloud, request, volume) : volumeSummary(request, volume)),
  })
}

function acceptVolume(cloud: Cloud, request: ApiRequest): VolumeRecord {
  const { caller } = request
  const asked = parseBody<z.infer<typeof createBody>>(
    request.minor >= 53 ? createBody53 : createBody,
    request.body,
  ).volume
  if (asked.multiattach === true) throw badRequest('multiattach parameter has been removed.')
  const snapshot = asked.snapshot_id ? findSnapshot(cloud, request, asked.snapshot_id) : undefined
  const source = asked.source_volid ? findVolume(cloud, request, asked.source_volid) : undefined
  const backup = asked.backup_id && request.minor >= 47 ? findBackup(cloud, request, asked.backup_id) : undefined
  const size = Number(asked.size ?? snapshot?.size ?? source?.size ?? backup?.size ?? 0)
  if (size <= 0) throw badRequest(malformedRequest)
  if (snapshot !== undefined && !['available', 'backing-up'].includes(snapshot.status)) {
    throw badRequest(`Invalid snapshot: Originating snapshot status must be one of 'available' or 'backing-up' values`)
  }
  if (source?.status.startsWith('error'))
    throw badRequest('Invalid volume: Originating volume status must not be error')
  if (backup !== undefined && backup.status !== 'available') {
    throw badRequest('Invalid backup: Backup status must be one of available values')
  }
  const least = snapshot?.size ?? source?.size ?? backup?.size ?? 0
  if (size < least) {
    throw badRequest(
      `Invalid input received: Volume size '${size}'GB cannot be smaller than the ${
        snapshot ? 'snapshot' : source ? 'original volume' : 'backup'
      } size ${least}GB. They must be >= original ${snapshot ? 'snapshot' : 'volume'} size.`,
    )
  }
  const type = asked.volume_type ? findType(cloud, asked.volume_type) : [...cloud.state.types.values()][0]
  reserve(cloud, caller.projectId, 'volumes', size)
  const origin = snapshot === undefined ? source : cloud.state.volumes.get(snapshot.volumeId)
  const volume = newVolume({
    name: asked.name ?? null,
    description: asked.description ?? null,
    size,
    projectId: caller.projectId,
    userId: caller.userId,
    typeId: type?.id ?? '',
    availabilityZone: asked.availability_zone ?? 'nova',
    snapshotId: snapshot?.id ?? null,
    sourceVolumeId: source?.id ?? null,
    metadata: asked.metadata ?? {},
    bootable: origin?.bootable ?? false,
    imageMetadata: { ...origin?.imageMetadata },
  })
  cloud.state.volumes.set(volume.id, volume)
  later(cloud, 'volume.create', {
    act: async () => {
      volume.host = volumeHost
      notifyVolume(cloud, caller, volume, 'create.start', 'pool')
      if (snapshot !== undefined) await copySparse(snapshotPath(cloud, snapshot.id), volumePath(cloud, volume.id))
      else if (source !== undefined) await copySparse(volumePath(cloud, source.id), volumePath(cloud, volume.id))
      await makeSparse(volumePath(cloud, volume.id), size * cloud.bytesPerGib)
      if (!cloud.state.volumes.has(volume.id)) return
      volume.launchedAt = databaseTime()
      volume.updatedAt = volume.launchedAt
      if (backup !== undefined) {
        volume.status = 'restoring-backup'
        backup.status = 'restoring'
        restoreInto(cloud, caller, backup, volume)
        return
      }
      volume.status = 'available'
      notifyVolume(cloud, caller, volume, 'create.end', 'pool')
    },
    fail: () => {
      volume.status = 'error'
    },
  })
  return volume
}

/** A volume that is `creating`. */
export function newVolume(
  given: Pick<VolumeRecord, 'name' | 'description' | 'size' | 'projectId' | 'userId' | 'typeId' | 'availabilityZone'> &
    Partial<VolumeRecord>,
): VolumeRecord {
  return {
    id: randomUUID(),
    status: 'creating',
    previousStatus: null,
    host: null,
    migrationStatus: null,
    bootable: false,
    multiattach: false,
    snapshotId: null,
    sourceVolumeId: null,
    createdAt: databaseTime(),
    updatedAt: null,
    launchedAt: null,
    metadata: {},
    imageMetadata: {},
    attachments: [],
    usesQuota: true,
    ...given,
  }
}

const deletable = ['available', 'error', 'error_restoring', 'error_extending', 'error_managing']

/** Accepts the deletion of a volume and does it later. @throws 400 as the real one words it */
export function deleteVolume(
  cloud: Cloud,
  caller: Caller,
  volume: VolumeRecord,
  how: { force: boolean; cascade: boolean },
): void {
  const snapshots = snapshotsOf(cloud, volume.id)
  const refused =
    (!how.force && !deletable.includes(volume.status)) ||
    volume.attachments.some((attachment) => attachment.status === 'attached') ||
    (snapshots.length > 0 && !how.cascade) ||
    (how.cascade &&
      snapshots.some(
        (snapshot) =>
          !['available', 'error', 'deleting'].includes(snapshot.status) ||
          (!caller.isAdmin && snapshot.projectId !== volume.projectId),
      ))
  if (refused) {
    const status = how.force
      ? ''
      : ` status must be ${deletable.slice(0, -1).join(' or ')} or ${deletable.at(-1) ?? ''} and`
    throw badRequest(
      `Invalid volume: Volume${status} must not be migrating, attached, belong to a group, have snapshots, awaiting a transfer, or be disassociated from snapshots after volume transfer.`,
    )
  }
  const before = volume.status
  volume.status = 'deleting'
  for (const snapshot of snapshots) snapshot.status = 'deleting'
  later(cloud, 'volume.delete', {
    act: async () => {
      notifyVolume(cloud, caller, volume, 'delete.start', 'backend')
      for (const snapshot of snapshots) await dropSnapshot(cloud, caller, snapshot)
      await rm(volumePath(cloud, volume.id), { force: true })
      cloud.state.volumes.delete(volume.id)
      notifyVolume(cloud, caller, { ...volume, status: 'deleted' }, 'delete.end', 'backend')
    },
    fail: () => {
      volume.previousStatus = before
      volume.status = 'error_deleting'
    },
  })
}

/** A volume's snapshots, of all projects. */
export const snapshotsOf = (cloud: Cloud, volumeId: string): SnapshotRecord[] =>
  [...cloud.state.snapshots.values()].filter((snapshot) => snapshot.volumeId === volumeId)

/** Removes a snapshot's file and row, with its notifications. */
export async function dropSnapshot(cloud: Cloud, caller: Caller, snapshot: SnapshotRecord): Promise<void> {
  notifySnapshot(cloud, caller, snapshot, 'delete.start')
  await rm(snapshotPath(cloud, snapshot.id), { force: true })
  cloud.state.snapshots.delete(snapshot.id)
  cloud.load.ended('snapshot', snapshot.id)
  notifySnapshot(cloud, caller, { ...snapshot, status: 'deleted' }, 'delete.end')
}
