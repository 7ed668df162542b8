import { z } from 'zod'
import { ApiError } from './api-error.js'
import { completeAttachment, connectVolume, detachVolume, reserveVolume } from './attach.js'
import { parseBody, uuid } from './bodies.js'
import type { Cloud } from './cloud.js'
import { findVolume } from './find.js'
import type { ApiRequest, Handler, Route } from './http.js'
import { isTrue } from './listing.js'
import { connectionInfo } from './payloads.js'
import type { AttachmentRecord, VolumeRecord } from './state.js'

const connector = z.record(z.string(), z.unknown())
const createBody = z.object({
  attachment: z.strictObject({
    volume_uuid: uuid,
    // the real schema refuses null here (facts/openstack.md 4)
    instance_uuid: uuid.optional(),
    connector: connector.nullish(),
    mode: z.enum(['rw', 'ro']).optional(),
  }),
})
const updateBody = z.object({ attachment: z.strictObject({ connector }) })

/** `/attachments` (3.27; complete 3.44; mode 3.54). */
export function attachmentRoutes(cloud: Cloud): readonly Route[] {
  const find = (request: ApiRequest): { volume: VolumeRecord; attachment: AttachmentRecord } => {
    const id = request.params['id'] ?? ''
    for (const volume of cloud.state.volumes.values()) {
      const attachment = volume.attachments.find((candidate) => candidate.id === id)
      const maySee = request.caller.isAdmin || volume.projectId === request.caller.projectId
      if (attachment !== undefined && maySee) return { volume, attachment }
    }
    throw new ApiError(404, `Volume attachment could not be found with filter: attachment_id = ${id}.`)
  }
  const list =
    (detail: boolean): Handler =>
    (request) => {
      const all = request.caller.isAdmin && isTrue(request.query.get('all_tenants'))
      const wanted = request.query.get('volume_id')
      const attachments = [...cloud.state.volumes.values()]
        .filter((volume) => all || volume.projectId === request.caller.projectId)
        .filter((volume) => wanted === null || volume.id === wanted)
        .flatMap((volume) => volume.attachments)
      return {
        status: 200,
        body: { attachments: attachments.map((item) => (detail ? shown(cloud, item) : summary(item))) },
      }
    }
  const create: Handler = (request) => {
    const asked = parseBody(createBody, request.body).attachment
    const volume = findVolume(cloud, request, asked.volume_uuid)
    const attachment = reserveVolume(volume, asked.instance_uuid ?? null, asked.mode ?? 'null')
    if (asked.connector) connectVolume(cloud, request.caller, volume, attachment, asked.connector)
    return { status: 200, body: { attachment: shown(cloud, attachment) } }
  }
  const update: Handler = (request) => {
    const { volume, attachment } = find(request)
    connectVolume(cloud, request.caller, volume, attachment, parseBody(updateBody, request.body).attachment.connector)
    return { status: 200, body: { attachment: shown(cloud, attachment) } }
  }
  const complete: Handler = (request) => {
    const { volume, attachment } = find(request)
    completeAttachment(cloud, request.caller, volume, attachment)
    return { status: 204 }
  }
  const remove: Handler = (request) => {
    const { volume, attachment } = find(request)
    detachVolume(cloud, request.caller, volume, attachment)
    return { status: 200, body: { attachments: volume.attachments.map((item) => summary(item)) } }
  }
  return [
    ['GET', '/attachments', list(false), 27],
    ['GET', '/attachments/detail', list(true), 27],
    ['POST', '/attachments', create, 27],
    [
      'GET',
      '/attachments/:id',
      (request) => ({ status: 200, body: { attachment: shown(cloud, find(request).attachment) } }),
      27,
    ],
    ['PUT', '/attachments/:id', update, 27],
    ['POST', '/attachments/:id/action', complete, 44],
    ['DELETE', '/attachments/:id', remove, 27],
  ]
}

const summary = (attachment: AttachmentRecord): Record<string, unknown> => ({
  id: attachment.id,
  status: attachment.status,
  instance: attachment.serverId,
  volume_id: attachment.volumeId,
})

const shown = (cloud: Cloud, attachment: AttachmentRecord): unknown => ({
  ...summary(attachment),
  attached_at: attachment.attachedAt ?? '',
  detached_at: '',
  attach_mode: attachment.mode,
  connection_info: attachment.connector === null ? {} : connectionInfo(cloud, attachment),
})
