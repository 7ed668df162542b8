import { z } from 'zod'
import { badRequest, noAction } from './api-error.js'
import { completeAttachment, connectVolume, detachVolume, reserveVolume } from './attach.js'
import { bool, parseBody } from './bodies.js'
import type { Cloud } from './cloud.js'
import { later, volumePath } from './cloud.js'
import { makeSparse } from './files.js'
import { findVolume, requireAdmin } from './find.js'
import type { ApiAnswer, ApiRequest, Route } from './http.js'
import { notifyVolume } from './payloads.js'
import { reserve } from './quotas.js'
import type { VolumeRecord } from './state.js'
import { databaseTime } from './state.js'
import { deleteVolume } from './volumes.js'

type Action = (cloud: Cloud, request: ApiRequest, volume: VolumeRecord, asked: unknown) => ApiAnswer

/** `POST /volumes/{id}/action`, by the one key of its body. */
const actions: Readonly<Record<string, Action>> = {
  'os-reserve': (_cloud, _request, volume) => {
    if (volume.status !== 'available') {
      throw badRequest(
        `Invalid volume: Volume status must be available to reserve, but the status is ${volume.status}.`,
      )
    }
    volume.status = 'attaching'
    return { status: 202 }
  },
  'os-unreserve': (_cloud, _request, volume) => {
    if (volume.status === 'attaching') volume.status = volume.attachments.length > 0 ? 'in-use' : 'available'
    return { status: 202 }
  },
  'os-attach': (cloud, request, volume, asked) => {
    const body = parseBody(attachBody, asked)
    if (!['available', 'attaching'].includes(volume.status)) {
      throw badRequest(`Error attaching volume - InvalidVolume: Invalid volume: status must be available or attaching`)
    }
    volume.status = 'available'
    const attachment = reserveVolume(volume, body.instance_uuid ?? null, body.mode ?? 'rw')
    connectVolume(cloud, request.caller, volume, attachment, {
      host: body.host_name ?? null,
      mountpoint: body.mountpoint,
    })
    completeAttachment(cloud, request.caller, volume, attachment)
    return { status: 202 }
  },
  'os-begin_detaching': (_cloud, _request, volume) => {
    if (volume.status !== 'in-use') {
      throw badRequest(
        "Invalid volume: Unable to detach volume. Volume status must be 'in-use' and attach_status must be 'attached' to detach.",
      )
    }
    volume.status = 'detaching'
    return { status: 202 }
  },
  'os-roll_detaching': (_cloud, _request, volume) => {
    if (volume.status === 'detaching') volume.status = 'in-use'
    return { status: 202 }
  },
  'os-detach': (cloud, request, volume, asked) => {
    detachAny(cloud, request, volume, asked)
    return { status: 202 }
  },
  'os-force_detach': (cloud, request, volume, asked) => {
    requireAdmin(request, 'volume_extension:volume_admin_actions:force_detach')
    detachAny(cloud, request, volume, asked)
    return { status: 202 }
  },
  'os-extend': extend,
  'os-set_bootable': (_cloud, _request, volume, asked) => {
    volume.bootable = parseBody(z.object({ bootable: bool }), asked).bootable
    return { status: 200 }
  },
  'os-update_readonly_flag': (_cloud, _request, volume, asked) => {
    const { readonly } = parseBody(z.object({ readonly: bool }), asked)
    volume.metadata = { ...volume.metadata, readonly: readonly ? 'True' : 'False' }
    return { status: 202 }
  },
  'os-set_image_metadata': (_cloud, _request, volume, asked) => {
    const { metadata } = parseBody(z.object({ metadata: z.record(z.string(), z.string()) }), asked)
    volume.imageMetadata = { ...volume.imageMetadata, ...metadata }
    return { status: 200, body: { metadata: volume.imageMetadata } }
  },
  'os-show_image_metadata': (_cloud, _request, volume) => ({ status: 200, body: { metadata: volume.imageMetadata } }),
  'os-reset_status': resetStatus,
  'os-force_delete': (cloud, request, volume) => {
    requireAdmin(request, 'volume_extension:volume_admin_actions:force_delete')
    deleteVolume(cloud, request.caller, volume, { force: true, cascade: false })
    return { status: 202 }
  },
}

const attachBody = z.object({
  mountpoint: z.string(),
  instance_uuid: z.uuid().nullish(),
  host_name: z.string().nullish(),
  mode: z.enum(['rw', 'ro']).nullish(),
})

/** The actions that Nova, the clients and operators use. */
export function volumeActionRoutes(cloud: Cloud): readonly Route[] {
  return [
    [
      'POST',
      '/volumes/:id/action',
      (request) => {
        const volume = findVolume(cloud, request)
        const [first] = Object.entries((request.body ?? {}) as Record<string, unknown>)
        const [name, asked] = first ?? ['', undefined]
        const action = actions[name]
        if (action === undefined) throw noAction(name)
        return action(cloud, request, volume, asked)
      },
    ],
  ]
}

function detachAny(cloud: Cloud, request: ApiRequest, volume: VolumeRecord, asked: unknown): void {
  const id = parseBody(z.object({ attachment_id: z.string().nullish() }).nullish(), asked)?.attachment_id
  const attachment = volume.attachments.find((candidate) => !id || candidate.id === id)
  if (attachment === undefined) {
    throw badRequest('Error detaching volume - VolumeAttachmentNotFound: the volume has no such attachment')
  }
  detachVolume(cloud, request.caller, volume, attachment)
}

function extend(cloud: Cloud, request: ApiRequest, volume: VolumeRecord, asked: unknown): ApiAnswer {
  const { new_size: newSize } = parseBody(z.object({ new_size: z.coerce.number().int().positive() }), asked)
  const expected = request.minor >= 42 && volume.status === 'in-use' ? 'in-use' : 'available'
  if (newSize <= volume.size) {
    throw badRequest(
      `Invalid input received: New size for extend must be greater than current size. (current: ${volume.size}, extended: ${newSize}).`,
    )
  }
  if (volume.status !== expected) {
    throw badRequest(
      `Invalid volume: Volume ${volume.id} status must be '{'status': '${expected}'}' to extend, currently ${volume.status}.`,
    )
  }
  reserve(cloud, volume.projectId, 'extend', newSize - volume.size)
  volume.previousStatus = volume.status
  volume.status = 'extending'
  later(cloud, 'volume.resize', {
    act: async () => {
      notifyVolume(cloud, request.caller, volume, 'resize.start', 'backend')
      await makeSparse(volumePath(cloud, volume.id), newSize * cloud.bytesPerGib)
      volume.size = newSize
      volume.status = expected
      notifyVolume(cloud, request.caller, volume, 'resize.end', 'backend')
    },
    fail: () => {
      volume.status = 'error_extending'
    },
  })
  return { status: 202 }
}

function resetStatus(cloud: Cloud, request: ApiRequest, volume: VolumeRecord, asked: unknown): ApiAnswer {
  requireAdmin(request, 'volume_extension:volume_admin_actions:reset_status')
  const body = parseBody(
    z.object({
      status: z.string().optional(),
      attach_status: z.string().optional(),
      migration_status: z.string().optional(),
    }),
    asked,
  )
  const status = body.status?.toLowerCase()
  if (status === 'in-use' && volume.attachments.length === 0) {
    throw badRequest('Cannot reset-state to in-use because volume does not have any attachments.')
  }
  notifyVolume(cloud, request.caller, volume, 'reset_status.start', 'api')
  if (status !== undefined) volume.status = status
  if (body.migration_status !== undefined) {
    volume.migrationStatus = body.migration_status === 'none' ? null : body.migration_status
  }
  if (body.attach_status === 'detached') volume.attachments = []
  volume.updatedAt = databaseTime()
  notifyVolume(cloud, request.caller, volume, 'reset_status.end', 'api')
  return { status: 202 }
}
