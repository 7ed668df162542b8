import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import { ApiError } from './api-error.js'
import { parseBody } from './bodies.js'
import type { Caller, Cloud } from './cloud.js'
import { later } from './cloud.js'
import { GuestError } from './guest.js'
import type { ApiAnswer, ApiRequest } from './http.js'
import { isTrue } from './listing.js'
import { notifyQuiesceFailed } from './nova-notify.js'
import { quotaOf, usageOf } from './quotas.js'
import { attachmentsOf, freezeServer, isRunning, thawServer } from './server-guest.js'
import { makeSnapshot } from './snapshots.js'
import type { AttachmentRecord, ImageRecord, ServerRecord, SnapshotRecord } from './state.js'

const body = z.object({
  createImage: z.strictObject({ name: z.string().min(1), metadata: z.record(z.string(), z.string()).optional() }),
})
/** Nova waits a minute for the compute host; here a second. */
const freezeTimeoutMs = 1000

/** One device of the image's `block_device_mapping`. */
type Mapping = Record<string, unknown>

/**
 * `createImage` of a volume-backed server (nova/compute/api.py, `snapshot_volume_backed`): quota, freeze, the snapshots
 * one after another, the thaw as a cast, then an image without bytes. Nothing of it is taken back when a later step fails.
 * @throws 403 quota, 409 the server's state, 400 no agent is configured but required, 500 the freeze failed and is required
 */
export async function createImage(cloud: Cloud, request: ApiRequest, server: ServerRecord): Promise<ApiAnswer> {
  const { name, metadata = {} } = parseBody(body, request.body).createImage
  const { caller } = request
  if (!['ACTIVE', 'SHUTOFF'].includes(server.status)) {
    throw new ApiError(
      409,
      `Cannot 'createImage' instance ${server.id} while it is in vm_state ${server.status.toLowerCase()}`,
    )
  }
  const attachments = attachmentsOf(cloud, server.id)
  const { snapshots: limit } = quotaOf(cloud, caller.projectId)
  if (limit >= 0 && usageOf(cloud, caller.projectId).snapshots + attachments.length > limit) {
    throw new ApiError(403, 'Quota exceeded for resources: snapshots')
  }
  const isFrozen = isRunning(server) && (await quiesce(cloud, caller, server))
  const taken = snapshotAll(cloud, caller, attachments, `snapshot for ${name}`)
  if (taken.failure === 'nova-api died') {
    // whoever waits for it sees the proxy give up; nobody thaws the guest
    return { status: 504, html: '<html><body><h1>504 Gateway Time-out</h1></body></html>' }
  }
  if (isFrozen) unquiesce(cloud, server, taken.snapshots)
  if (taken.failure !== null) throw unexpected()
  if (cloud.faults.strike(['fail'], ({ work }) => work === 'image.create') !== undefined) throw unexpected()
  const isForeign = caller.projectId !== server.projectId
  const image: ImageRecord = {
    id: randomUUID(),
    name,
    projectId: caller.projectId,
    visibility: isForeign ? 'shared' : 'private',
    createdAt: `${new Date().toISOString().slice(0, 19)}Z`,
    properties: {
      ...server.imageProperties,
      base_image_ref: server.imageRef,
      root_device_name: '/dev/vda',
      ...metadata,
      bdm_v2: 'True',
      block_device_mapping: JSON.stringify(taken.mapping),
    },
  }
  cloud.state.images.set(image.id, image)
  if (request.minor >= 45) return { status: 202, body: { image_id: image.id } }
  return { status: 202, headers: { Location: `${cloud.url}/image/v2/images/${image.id}` } }
}

/** Nova's words for whatever it did not expect, Cinder's refusals among it. */
const unexpected = (): ApiError =>
  new ApiError(
    500,
    "Unexpected API Error. Please report this at http://bugs.launchpad.net/nova/ and attach the Nova API log if possible.\n<class 'cinderclient.exceptions.ClientException'>",
  )

/** @returns whether the guest is frozen by it; a failure counts only where `os_require_quiesce` says so */
async function quiesce(cloud: Cloud, caller: Caller, server: ServerRecord): Promise<boolean> {
  const isRequired = isTrue(server.imageProperties['os_require_quiesce'] ?? null)
  if (!isTrue(server.imageProperties['hw_qemu_guest_agent'] ?? null)) {
    if (isRequired) throw new ApiError(400, 'QEMU guest agent is not enabled')
    return false
  }
  const freezing = freezeServer(cloud, server)
  // a freeze that is not waited for any longer may still end, either way
  freezing.catch(() => undefined)
  try {
    const timeout = sleep(freezeTimeoutMs, undefined, { ref: false }).then(() => 'timeout' as const)
    if ((await Promise.race([freezing, timeout])) !== 'timeout') return true
  } catch (error) {
    if (!(error instanceof GuestError)) throw error
    const instance = `instance-${server.id.slice(0, 8)}`
    const reason = `Error from libvirt while quiescing ${instance}: [Error Code ${error.code}] ${error.message}`
    notifyQuiesceFailed(cloud, caller, server, reason)
    if (isRequired) throw unexpected()
    return false
  }
  unquiesce(cloud, server, [])
  throw unexpected()
}

interface Taken {
  snapshots: SnapshotRecord[]
  mapping: Mapping[]
  failure: 'refused' | 'nova-api died' | null
}

function snapshotAll(cloud: Cloud, caller: Caller, attachments: AttachmentRecord[], name: string): Taken {
  const taken: Taken = { snapshots: [], mapping: [], failure: null }
  for (const [index, attachment] of attachments.entries()) {
    const volume = cloud.state.volumes.get(attachment.volumeId)
    if (volume === undefined) continue
    const fault = cloud.faults.strike(['stuck', 'fail'], ({ work }) => work === 'image.snapshot')
    if (fault !== undefined) return { ...taken, failure: fault.kind === 'stuck' ? 'nova-api died' : 'refused' }
    // Nova's request to Cinder has an id of its own, and carries Nova's
    const asNova: Caller = { ...caller, requestId: `req-${randomUUID()}`, globalRequestId: caller.requestId }
    try {
      const snapshot = makeSnapshot(cloud, asNova, volume, {
        name,
        description: volume.description ?? '',
        metadata: {},
      })
      taken.snapshots.push(snapshot)
      taken.mapping.push(mappingOf(snapshot, attachment, index))
    } catch (error) {
      if (!(error instanceof ApiError)) throw error
      return { ...taken, failure: 'refused' }
    }
  }
  return taken
}

const mappingOf = (snapshot: SnapshotRecord, { device }: AttachmentRecord, index: number): Mapping => ({
  source_type: 'snapshot',
  destination_type: 'volume',
  snapshot_id: snapshot.id,
  boot_index: index === 0 ? 0 : null,
  device_name: device,
  volume_size: snapshot.size,
  ...{ delete_on_termination: false, device_type: 'disk', disk_bus: 'virtio', guest_format: null, tag: null },
  ...{ volume_id: null, volume_type: null, image_id: null, no_device: null, encrypted: null },
})

/** A cast: once the snapshots are no longer `creating`, without any limit of time; nothing else thaws the guest. */
function unquiesce(cloud: Cloud, server: ServerRecord, snapshots: SnapshotRecord[]): void {
  later(cloud, 'server.thaw', {
    act: async () => {
      while (snapshots.some(({ status }) => status === 'creating') && !cloud.closed) await sleep(5)
      try {
        thawServer(cloud, server)
      } catch (error) {
        cloud.log.warn({ err: error }, 'a guest could not be thawed')
      }
    },
    fail: () => undefined,
  })
}
