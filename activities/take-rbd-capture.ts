import { setTimeout as sleep } from 'node:timers/promises'
import { CodedError } from '../errors/coded-error.js'
import type { Volume } from '../openstack/cinder.js'
import { volumeObject } from '../source/object-names.js'
import type { RbdSnapshot } from '../source/rbd-queries.js'
import type { CopyContext } from '../targets/target.js'
import type { CapturedBy } from '../workflows/messages.js'
import { captureOf } from './capture-of.js'
import { rbdCaptureName, readRecords, recordKey, type CaptureRecord } from './capture-record.js'
import type { MoveDeps } from './move-activities.js'
import { noImages, type VolumeImages } from './volume-images.js'
import type { CaptureRequest, Taken } from './take-capture.js'
import { achieved, belowFloor, isDetached, useOf, watchersOf, type Use } from './volume-use.js'
import { withoutRoom } from './without-room.js'

type RbdCaptureRequest = CaptureRequest & { capturedBy: CapturedBy }

/** Our own commands have an image open for a moment, too. */
const looks = { most: 4, pauseMs: 500 }

/**
 * Takes an RBD snapshot `backup.<archive id>.snap.<seconds>` on the volume's own image, or finds the one that an earlier
 * attempt took. Its record is written first, into the image's metadata, so that the snapshot is never without one. Nothing
 * is removed here: the archive releases what it named, whatever became of it.
 * @throws CodedError `CK-DEFERRED` and `CK-CONSISTENCY-FLOOR` as `takeCapture`; `CK-VOLUME-GONE` when the tenant deletes
 * it meanwhile; `CK-CAPTURE-LOST` when somebody removed the snapshot at once
 */
export async function takeRbdCapture(deps: MoveDeps, request: RbdCaptureRequest, context: CopyContext): Promise<Taken> {
  const volume = await deps.cinder.getVolume(request.volumeId)
  const images = deps.imagesOf(volume.host)
  if (images === undefined) throw noImages(volume.id, volume.host)
  const image = volumeObject({ volumeId: volume.id, host: volume.host, nameId: volume.nameId })
  const name = rbdCaptureName(request.archiveId, request.capturedBy.seconds)

  // before the list: what it does not show was taken later than this
  const before = await useBefore(deps, volume, context)
  const found = (await images.snapshots(image))?.find((one) => one.name === name)
  const deferred = found === undefined ? await withoutRoom(deps, request, volume, context) : []
  const snapshot = found ?? (await create(deps, images, image, name, request, volume, before, context))
  const record = await readRecord(deps, images, image, request)
  const now = await deps.cinder.getVolume(request.volumeId)
  if (now.status === 'deleting') throw beingDeleted(now.id)
  const after = await useOf(deps, now)
  const wasDetached = record?.before === 'detached' && isDetached(after)
  const consistency = achieved(wasDetached, request)
  if (consistency === null) throw belowFloor(request, after)
  const createdAt = record?.at ?? new Date(request.capturedBy.seconds * 1000).toISOString()
  const taken = { maker: 'rbd' as const, id: String(snapshot.id), name, createdAt, sizeBytes: snapshot.size }
  return { ...captureOf(request, now, taken, consistency, watchersOf(before, after)), deferred }
}

async function create(
  { installation }: MoveDeps,
  images: VolumeImages,
  image: string,
  name: string,
  request: RbdCaptureRequest,
  volume: Volume,
  before: Use,
  { report }: CopyContext,
): Promise<RbdSnapshot> {
  if (volume.status === 'deleting') throw beingDeleted(volume.id)
  if (achieved(isDetached(before), request) === null) throw belowFloor(request, before)
  const now = Date.now()
  const record: CaptureRecord = {
    ...{ installation, archive: request.archiveId, volume: volume.id, purpose: 'capture', bases: [] },
    expires: new Date(now + request.maxAgeSeconds * 1000).toISOString(),
    at: new Date(now).toISOString(),
    before: isDetached(before) ? 'detached' : 'in-use',
  }
  report({ phase: `taking RBD snapshot ${name}` })
  await images.setMetadata(image, recordKey(request.archiveId), JSON.stringify(record))
  return images.createSnapshot(image, name)
}

/** Who has it open only for a moment is one of our own commands, for another archive of the volume. */
async function useBefore(deps: MoveDeps, volume: Volume, { signal }: CopyContext): Promise<Use> {
  for (let look = 1; ; look++) {
    const use = await useOf(deps, volume)
    if (use.attached || !Array.isArray(use.watchers) || look === looks.most) return use
    await sleep(looks.pauseMs, undefined, { signal })
  }
}

async function readRecord(
  { installation }: MoveDeps,
  images: VolumeImages,
  image: string,
  { archiveId, volumeId }: RbdCaptureRequest,
): Promise<CaptureRecord | undefined> {
  const records = readRecords(await images.metadata(image), { installation, volumeId })
  return records.find(({ archive }) => archive === archiveId)
}

function beingDeleted(volumeId: string): CodedError {
  return new CodedError('CK-VOLUME-GONE', `volume ${volumeId} is being deleted`, {
    cure: 'Nothing is left to archive; its copies are kept.',
  })
}
