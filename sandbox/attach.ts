import { randomUUID } from 'node:crypto'
import { badRequest } from './api-error.js'
import type { Caller, Cloud } from './cloud.js'
import { notifyVolume } from './payloads.js'
import type { AttachmentRecord, VolumeRecord } from './state.js'
import { databaseTime } from './state.js'

/** Reserves a volume for an attachment. @throws 400 unless `available` (or in use and multiattach) */
export function reserveVolume(volume: VolumeRecord, serverId: string | null, mode: string): AttachmentRecord {
  if (volume.status.includes('error')) {
    throw badRequest(
      `Invalid volume: Volume attachments can not be created if the volume is in an error state. The Volume ${volume.id} currently has a status of: ${volume.status} `,
    )
  }
  const valid = volume.multiattach ? ['available', 'in-use', 'downloading'] : ['available', 'downloading']
  if (!valid.includes(volume.status)) {
    throw badRequest(
      `Invalid volume: Volume ${volume.id} status must be ${valid.join(' or ')} to reserve, but the current status is ${volume.status}.`,
    )
  }
  const attachment: AttachmentRecord = {
    id: randomUUID(),
    volumeId: volume.id,
    serverId,
    host: null,
    device: null,
    mode,
    status: 'reserved',
    createdAt: databaseTime(),
    updatedAt: null,
    attachedAt: null,
    connector: null,
  }
  volume.attachments.push(attachment)
  volume.status = 'reserved'
  return attachment
}

/** Gives a reserved attachment its host: `attach.start`, then `attaching`. */
export function connectVolume(
  cloud: Cloud,
  caller: Caller,
  volume: VolumeRecord,
  attachment: AttachmentRecord,
  connector: Record<string, unknown>,
): void {
  notifyVolume(cloud, caller, volume, 'attach.start', 'backend')
  attachment.connector = connector
  attachment.host = typeof connector['host'] === 'string' ? connector['host'] : null
  attachment.device = typeof connector['mountpoint'] === 'string' ? connector['mountpoint'] : null
  if (connector['mode'] === 'ro' || connector['mode'] === 'rw') attachment.mode = connector['mode']
  else if (attachment.mode === 'null') attachment.mode = 'rw'
  attachment.status = 'attaching'
  attachment.attachedAt = databaseTime()
  attachment.updatedAt = attachment.attachedAt
  volume.status = 'attaching'
}

/** `os-complete`: `in-use`, and `attach.end`. */
export function completeAttachment(
  cloud: Cloud,
  caller: Caller,
  volume: VolumeRecord,
  attachment: AttachmentRecord,
): void {
  attachment.status = 'attached'
  attachment.attachedAt ??= databaseTime()
  volume.status = 'in-use'
  volume.updatedAt = databaseTime()
  notifyVolume(cloud, caller, volume, 'attach.end', 'api')
}

/** Ends an attachment; the last one makes the volume `available` again. */
export function detachVolume(cloud: Cloud, caller: Caller, volume: VolumeRecord, attachment: AttachmentRecord): void {
  notifyVolume(cloud, caller, volume, 'detach.start', attachment.status === 'reserved' ? 'api' : 'backend')
  volume.attachments = volume.attachments.filter((other) => other.id !== attachment.id)
  const left = volume.attachments.map((other) => other.status)
  volume.status = left.includes('attached')
    ? 'in-use'
    : left.includes('attaching')
      ? 'attaching'
      : left.includes('reserved')
        ? 'reserved'
        : 'available'
  volume.updatedAt = databaseTime()
  notifyVolume(cloud, caller, volume, 'detach.end', 'api')
}
