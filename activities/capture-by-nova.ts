import { setTimeout as sleep } from 'node:timers/promises'
import { CodedError } from '../errors/coded-error.js'
import { isCloudError } from '../openstack/errors.js'
import type { Image } from '../openstack/glance.js'
import type { CopyContext } from '../targets/target.js'
import { adoptNovaImage, adoptedBefore } from './adopt-nova-image.js'
import { withHeartbeat } from './copy-context.js'
import {
  findNovaWork,
  imageMarks,
  patienceOf,
  removeNovaWork,
  type NovaDeps,
  type NovaVolume,
  type NovaWork,
} from './nova-leftovers.js'
import { obstacleError, obstacleOf } from './nova-way.js'

export interface NovaCaptureRequest {
  /** The workflow's id: who asks. */
  archive: string
  serverId: string
  /** `ck-<uuid>`, from the archives' ids: known before anything exists, and the same in every attempt. */
  imageName: string
  /** Which of the server's volumes are wanted; Nova takes snapshots of all, and the others are removed. */
  volumes: NovaVolume[]
  /** Written on the snapshots as their expiry. */
  maxAgeSeconds: number
}

export interface NovaSnapshot extends NovaVolume {
  snapshotId: string
  /** `ck-<archive id>`: `releaseCapture` finds it. */
  name: string
  /** UTC, to the second. */
  createdAt: string
  sizeBytes: number
  /** The volume was frozen, and used by this server alone. */
  frozen: boolean
  /** Why not; null when it was. */
  reason: string | null
}

/** In the order of the request. */
export interface NovaCapture {
  snapshots: NovaSnapshot[]
}

/**
 * Captures volumes of a server by Nova's `createImage`, under one freeze, and makes the snapshots captures of ours; or
 * finds what an earlier attempt made. Afterwards there is one available snapshot a volume and no image.
 *
 * `frozen` is what the image says that Nova made: it carries the properties by which Nova decided. How long Nova kept the
 * guest frozen nobody can tell, and nothing but Nova's own cast thaws it (docs/decisions/0018).
 * @throws CodedError `CK-NOVA-NOT-VOLUME-BACKED`, `CK-NOVA-QUIESCE-NOT-REQUIRED`, `CK-NOVA-SERVER-NOT-ACTIVE`,
 * `CK-NOVA-NOT-ATTACHED` before anything was done; `CK-NOVA-QUIESCE-FAILED` when Nova refused and left nothing;
 * `CK-NOVA-IMAGE-FAILED` when it failed midway and what it left was removed. After any error `releaseByNova` must be called.
 */
export function captureByNova(deps: NovaDeps) {
  return async (request: NovaCaptureRequest): Promise<NovaCapture> =>
    withHeartbeat(async (context) => {
      const before = await findNovaWork(deps, request.imageName, request.volumes)
      const [earlier] = before.images
      if (earlier !== undefined) return adoptNovaImage(deps, request, earlier, before, context)
      const done = await adoptedBefore(deps, request, before, context)
      if (done !== null) return done
      const late = await clearAway(deps, request, before, context)
      const image = late ?? (await create(deps, request, context))
      const work = await findNovaWork(deps, request.imageName, request.volumes)
      return adoptNovaImage(deps, request, image, work, context)
    })
}

/** Snapshots without an image: an earlier request failed midway, or is still at work. @returns the image, if one comes */
async function clearAway(
  deps: NovaDeps,
  request: NovaCaptureRequest,
  work: NovaWork,
  context: CopyContext,
): Promise<Image | null> {
  const youngest = work.loose.at(-1)
  if (youngest === undefined && work.adopted.length === 0) return null
  const ageMs = youngest === undefined ? Infinity : Date.now() - Date.parse(`${youngest.createdAt.slice(0, 19)}Z`)
  const image = await awaitImage(deps, request, patienceOf(deps) - ageMs, context)
  if (image === null) {
    await removeNovaWork(deps, await findNovaWork(deps, request.imageName, request.volumes), context)
  }
  return image
}

async function create(deps: NovaDeps, request: NovaCaptureRequest, context: CopyContext): Promise<Image> {
  const { serverId, imageName } = request
  await refuseObstacle(deps, request)
  context.report({ phase: `Nova freezes server ${serverId} and takes snapshots` })
  const metadata = imageMarks(deps.installation, request.archive)
  const sent = Date.now()
  try {
    await deps.nova.createImage(serverId, { name: imageName, metadata })
  } catch (error) {
    if (isCloudError(error, 'CK-CLOUD-BAD-REQUEST') && /quiesc|guest agent/i.test(error.said ?? '')) {
      throw obstacleError({ code: 'CK-NOVA-QUIESCE-NOT-REQUIRED', reason: `server ${serverId}: ${error.said ?? ''}` })
    }
    if (!isCloudError(error, 'CK-CLOUD-ANSWER-LOST')) throw error
    // Nova's own word that it gave up: nothing more comes of this request
    if (error.status === 500 && error.fault === 'computeFault') throw await novaFailed(deps, request, error, context)
    const image = await awaitImage(deps, request, patienceOf(deps) - (Date.now() - sent), context)
    if (image !== null) return image
    throw error
  }
  const image = await awaitImage(deps, request, patienceOf(deps), context)
  if (image !== null) return image
  throw imageFailed(request, 'the image that it made is not there')
}

async function refuseObstacle(deps: NovaDeps, { serverId, volumes }: NovaCaptureRequest): Promise<void> {
  const server = await deps.nova.getServer(serverId)
  const missing = volumes.filter(({ volumeId }) => !server.volumeIds.includes(volumeId))
  if (missing.length > 0) {
    const names = missing.map(({ volumeId }) => volumeId).join(', ')
    throw new CodedError('CK-NOVA-NOT-ATTACHED', `server ${serverId} does not have ${names} attached`, {
      cure: 'Nothing: the next archive looks anew which server has which volumes.',
    })
  }
  const attached = await Promise.all(server.volumeIds.map(async (id) => deps.cinder.getVolume(id)))
  const obstacle = obstacleOf(server, attached)
  if (obstacle !== null) throw obstacleError(obstacle)
}

async function novaFailed(
  deps: NovaDeps,
  request: NovaCaptureRequest,
  error: Error,
  context: CopyContext,
): Promise<CodedError> {
  const left = await findNovaWork(deps, request.imageName, request.volumes)
  await removeNovaWork(deps, left, context)
  if (left.loose.length > 0 || left.images.length > 0) return imageFailed(request, error.message)
  return new CodedError(
    'CK-NOVA-QUIESCE-FAILED',
    `Nova could not freeze server ${request.serverId}: ${error.message}`,
    {
      cure: "Look whether the guest's agent runs; nova-compute's log, and an error quiesce_instance on the bus, say why.",
      cause: error,
    },
  )
}

const imageFailed = ({ serverId }: NovaCaptureRequest, why: string): CodedError =>
  new CodedError('CK-NOVA-IMAGE-FAILED', `Nova did not finish the capture of server ${serverId}: ${why}`, {
    cure:
      'The log of nova-api says why. What it left is removed, and it is tried again. If the guest stays frozen, ' +
      '`virsh domfsthaw` on its host thaws it.',
  })

/** Looks at once, and until the time is over. */
async function awaitImage(
  deps: NovaDeps,
  { imageName }: NovaCaptureRequest,
  forMs: number,
  { signal, report }: CopyContext,
): Promise<Image | null> {
  const end = Date.now() + forMs
  for (let pause = 50; ; pause = Math.min(pause * 2, 1000)) {
    const { images } = await findNovaWork(deps, imageName, [])
    if (images[0] !== undefined) return images[0]
    if (Date.now() >= end) return null
    report({ phase: `waiting for Nova's image ${imageName}` })
    await sleep(pause, undefined, { signal })
  }
}
