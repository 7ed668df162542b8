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
  // before the list: what it does not show was taken later than this
  const before = await useBefore(deps, volume, context)
  const found = await findEarlierRbd(images, image, request)
  const deferred = found === undefined ? await withoutRoom(deps, request, volume, context) : []
  const snapshot = found ?? (await create(deps, images, image, request, volume, before, context))
  const record = await readRecord(deps, images, image, request)
  const now = await deps.cinder.getVolume(request.volumeId)
  if (now.status === 'deleting') throw beingDeleted(now.id)
  const after = await useOf(deps, now)
  const wasDetached = record?.before === 'detached' && isDetached(after)
  // one that was taken in place of it, when it was gone, has another record
  const isThat = found?.name === request.frozenSnapshotId && record?.prepared === request.prepared
  const isFrozen = isThat && request.prepared !== undefined
  const consistency = achieved(wasDetached, request, isFrozen)
  if (consistency === null) throw belowFloor(request, after)
  // what was prepared may have waited for other volumes; whoever finds the snapshot again names its point by the same time
  const at = isFrozen ? (request.frozenAt ?? record?.at) : record?.at
  if (record !== undefined && at !== undefined && at !== record.at)
    await images.setMetadata(image, recordKey(request.archiveId), JSON.stringify({ ...record, at }))
  const createdAt = at ?? new Date(request.capturedBy.seconds * 1000).toISOString()
  const { id, name, size: sizeBytes } = snapshot
  const taken = { maker: 'rbd' as const, id: String(id), name, createdAt, sizeBytes }
  return { ...captureOf(request, now, taken, consistency, watchersOf(before, after)), deferred }
}

/** The RBD snapshot that an earlier attempt took. */
export async function findEarlierRbd(
  images: VolumeImages,
  image: string,
  { archiveId, capturedBy }: RbdCaptureRequest,
): Promise<RbdSnapshot | undefined> {
  const name = rbdCaptureName(archiveId, capturedBy.seconds)
  return (await images.snapshots(image))?.find((one) => one.name === name)
}

async function create(
  deps: MoveDeps,
  images: VolumeImages,
  image: string,
  request: RbdCaptureRequest,
  volume: Volume,
  before: Use,
  { report }: CopyContext,
): Promise<RbdSnapshot> {
  if (volume.status === 'deleting') throw beingDeleted(volume.id)
  if (achieved(isDetached(before), request) === null) throw belowFloor(request, before)
  const name = rbdCaptureName(request.archiveId, request.capturedBy.seconds)
  report({ phase: `taking RBD snapshot ${name}` })
  await writeCaptureRecord(deps, images, image, request, isDetached(before))
  return images.createSnapshot(image, name)
}

/** Into the image's metadata, before there is a snapshot: none of ours is ever without a record. */
export async function writeCaptureRecord(
  { installation }: Pick<MoveDeps, 'installation'>,
  images: VolumeImages,
  image: string,
  { archiveId, volumeId, maxAgeSeconds }: Pick<CaptureRequest, 'archiveId' | 'volumeId' | 'maxAgeSeconds'>,
  detached: boolean,
  prepared?: string,
): Promise<void> {
  const now = Date.now()
  const record: CaptureRecord = {
    ...{ installation, archive: archiveId, volume: volumeId, purpose: 'capture', bases: [] },
    expires: new Date(now + maxAgeSeconds * 1000).toISOString(),
    at: new Date(now).toISOString(),
    before: detached ? 'detached' : 'in-use',
    prepared,
  }
  await images.setMetadata(image, recordKey(archiveId), JSON.stringify(record))
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
