import { randomBytes, randomUUID } from 'node:crypto'
import { z } from 'zod'
import { badRequest, notFound } from './api-error.js'
import { parseBody, text, uuid } from './bodies.js'
import type { Cloud } from './cloud.js'
import { findVolume } from './find.js'
import type { ApiRequest, Handler, Route } from './http.js'
import { isTrue } from './listing.js'
import { notifyVolume } from './payloads.js'
import { reserve } from './quotas.js'
import type { TransferRecord } from './state.js'
import { databaseTime } from './state.js'
import { linksOf } from './volume-view.js'
import { snapshotsOf } from './volumes.js'

const createBody = z.object({
  transfer: z.strictObject({ volume_id: uuid, name: text, no_snapshots: z.boolean().optional() }),
})
const acceptBody = z.object({ accept: z.strictObject({ auth_key: z.string().min(1) }) })

/** `/volume-transfers` (3.55) and the older `/os-volume-transfer`: a volume changes its owner. */
export function transferRoutes(cloud: Cloud): readonly Route[] {
  const find = (request: ApiRequest, anyProject: boolean): TransferRecord => {
    const id = request.params['id'] ?? ''
    const transfer = cloud.state.transfers.get(id)
    const own = anyProject || request.caller.isAdmin || transfer?.sourceProjectId === request.caller.projectId
    if (transfer === undefined || !own) throw notFound('Transfer', id)
    return transfer
  }
  const create: Handler = (request) => {
    const asked = parseBody(createBody, request.body).transfer
    const volume = findVolume(cloud, request, asked.volume_id)
    if (volume.status !== 'available') throw badRequest('Invalid volume: status must be available')
    const noSnapshots = asked.no_snapshots ?? false
    const busy = snapshotsOf(cloud, volume.id).find((snapshot) => snapshot.status !== 'available')
    if (busy !== undefined && !noSnapshots) {
      throw badRequest(`Invalid snapshot: snapshot: ${busy.id} status must be available`)
    }
    notifyVolume(cloud, request.caller, volume, 'transfer.create.start', 'api')
    const transfer: TransferRecord = {
      id: randomUUID(),
      name: asked.name ?? null,
      volumeId: volume.id,
      authKey: randomBytes(8).toString('hex'),
      createdAt: databaseTime(),
      noSnapshots,
      sourceProjectId: volume.projectId,
      destinationProjectId: null,
      accepted: false,
    }
    cloud.state.transfers.set(transfer.id, transfer)
    volume.status = 'awaiting-transfer'
    notifyVolume(cloud, request.caller, volume, 'transfer.create.end', 'api')
    const body = shown(request, transfer)
    return { status: 202, body: { transfer: { ...body, auth_key: transfer.authKey } } }
  }
  const accept: Handler = (request) => {
    const transfer = find(request, true)
    const volume = cloud.state.volumes.get(transfer.volumeId)
    if (volume === undefined) throw notFound('Volume', transfer.volumeId)
    if (parseBody(acceptBody, request.body).accept.auth_key !== transfer.authKey) {
      throw badRequest(`Invalid auth key: Attempt to transfer ${transfer.id} with invalid auth key.`)
    }
    reserve(cloud, request.caller.projectId, 'volumes', volume.size)
    notifyVolume(cloud, request.caller, volume, 'transfer.accept.start', 'api')
    volume.projectId = request.caller.projectId
    volume.userId = request.caller.userId
    volume.status = 'available'
    if (!transfer.noSnapshots) {
      for (const snapshot of snapshotsOf(cloud, volume.id)) snapshot.projectId = request.caller.projectId
    }
    transfer.accepted = true
    transfer.destinationProjectId = request.caller.projectId
    cloud.state.transfers.delete(transfer.id)
    notifyVolume(cloud, request.caller, volume, 'transfer.accept.end', 'api')
    const links = linksOf(request, 'os-volume-transfer', transfer.id)
    return { status: 202, body: { transfer: { id: transfer.id, volume_id: volume.id, name: transfer.name, links } } }
  }
  const remove: Handler = (request) => {
    const transfer = find(request, false)
    const volume = cloud.state.volumes.get(transfer.volumeId)
    if (volume !== undefined) notifyVolume(cloud, request.caller, volume, 'transfer.delete.start', 'api')
    cloud.state.transfers.delete(transfer.id)
    if (volume !== undefined) {
      volume.status = 'available'
      notifyVolume(cloud, request.caller, volume, 'transfer.delete.end', 'api')
    }
    return { status: 202 }
  }
  const list: Handler = (request) => {
    const all = request.caller.isAdmin && isTrue(request.query.get('all_tenants'))
    const own = [...cloud.state.transfers.values()].filter(
      (transfer) => all || transfer.sourceProjectId === request.caller.projectId,
    )
    return { status: 200, body: { transfers: own.map((transfer) => shown(request, transfer)) } }
  }
  return ['/volume-transfers', '/os-volume-transfer'].flatMap((path): Route[] => {
    const since = path === '/volume-transfers' ? 55 : 0
    return [
      ['GET', path, list, since],
      ['GET', `${path}/detail`, list, since],
      ['POST', path, create, since],
      [
        'GET',
        `${path}/:id`,
        (request) => ({ status: 200, body: { transfer: shown(request, find(request, false)) } }),
        since,
      ],
      ['POST', `${path}/:id/accept`, accept, since],
      ['DELETE', `${path}/:id`, remove, since],
    ]
  })
}

const shown = (request: ApiRequest, transfer: TransferRecord): Record<string, unknown> => ({
  id: transfer.id,
  created_at: transfer.createdAt,
  name: transfer.name,
  volume_id: transfer.volumeId,
  links: linksOf(request, 'os-volume-transfer', transfer.id),
  ...(request.minor >= 55 ? { no_snapshots: transfer.noSnapshots } : {}),
  ...(request.minor >= 57
    ? {
        destination_project_id: transfer.destinationProjectId,
        source_project_id: transfer.sourceProjectId,
        accepted: transfer.accepted,
      }
    : {}),
})
