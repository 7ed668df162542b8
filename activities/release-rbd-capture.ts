import { setTimeout as sleep } from 'node:timers/promises'
import { CodedError } from '../errors/coded-error.js'
import type { Volume } from '../openstack/cinder.js'
import { orNull } from '../openstack/or-null.js'
import { volumeObject } from '../source/object-names.js'
import type { VolumePlace } from '../source/source.js'
import type { CopyContext } from '../targets/target.js'
import type { CapturedBy } from '../workflows/messages.js'
import { archiveOfSnapshot, readRecords, recordKey } from './capture-record.js'
import { freeFromTrash } from './free-from-trash.js'
import type { MoveDeps } from './move-activities.js'
import { planRelease, type Held } from './plan-release.js'
import type { ReleaseRequest } from './release-capture.js'
import { noImages, type VolumeImages } from './volume-images.js'

type RbdReleaseRequest = ReleaseRequest & { capturedBy: CapturedBy }

/**
 * Makes the archive's RBD snapshot the base of the targets that verified it, or removes it, and removes the bases that it
 * replaces (`planRelease`). A volume that moved meanwhile is looked for where it was, too; one that was deleted also in
 * the trash, where a snapshot of ours would keep it for ever. Every step leaves what the next attempt goes on from.
 */
export async function releaseRbdCapture(
  deps: MoveDeps,
  request: RbdReleaseRequest,
  context: CopyContext,
): Promise<void> {
  const now = await volumeNow(deps, request.volumeId)
  const current = now === null ? null : placeOf(now)
  for (const place of placesOf(current, request)) {
    const images = deps.imagesOf(place.host)
    if (images === undefined) {
      // where it was before a move to other storage, Cinder deletes the image with its snapshots
      if (current !== null && place !== current) continue
      throw noImages(request.volumeId, place.host)
    }
    const image = volumeObject(place)
    const mayGo = isGoing(now) || place !== current
    await releaseOn(deps, images, image, request, context, mayGo)
    // a delete may have come while we had the image open
    const isDeleted = isGoing(await volumeNow(deps, request.volumeId))
    if (isDeleted) await untilDeleted(deps, request.volumeId, context)
    if (mayGo || isDeleted) await freeFromTrash(deps, images, image, request)
  }
}

/** null: Cinder knows no such volume any more. */
const volumeNow = async ({ cinder }: MoveDeps, volumeId: string): Promise<Volume | null> =>
  orNull('CK-VOLUME-GONE', async () => cinder.getVolume(volumeId))

const isGoing = (volume: Volume | null): boolean => volume === null || volume.status === 'deleting'

const placeOf = ({ id: volumeId, host, nameId }: Volume): VolumePlace => ({ volumeId, host, nameId })

/** Whether the image goes or comes into the trash shows within a moment; Cinder may then need long to delete its data. */
async function untilDeleted(deps: MoveDeps, volumeId: string, { signal }: CopyContext): Promise<void> {
  for (let looks = 0; looks < 60; looks++) {
    if ((await volumeNow(deps, volumeId))?.status !== 'deleting') return
    await sleep(1000, undefined, { signal })
  }
}

/** Where the volume is, was when it was captured, and was when that was planned; each once. */
function placesOf(now: VolumePlace | null, { capturedBy, place }: RbdReleaseRequest): VolumePlace[] {
  const known = [now, place ?? null, capturedBy.place].filter((one) => one !== null)
  const keyOf = ({ host, ...one }: VolumePlace) => `${host ?? ''} ${volumeObject({ host, ...one })}`
  return known.filter((one, at) => known.findIndex((other) => keyOf(other) === keyOf(one)) === at)
}

/** @param mayGo the volume is deleted, or lies elsewhere */
async function releaseOn(
  deps: MoveDeps,
  images: VolumeImages,
  image: string,
  { archiveId, volumeId, bases = [] }: RbdReleaseRequest,
  { report, signal }: CopyContext,
  mayGo: boolean,
): Promise<void> {
  report({ phase: `looking at the RBD snapshots of ${image}` })
  const held = await heldOn(deps, images, image, volumeId)
  if (held === null) return
  // what nobody can copy any more is nobody's base
  const verified = mayGo ? [] : bases
  const plan = planRelease(held, { archiveId, verified }, new Set(deps.targets.keys()), Date.now())
  for (const record of plan.write) {
    signal.throwIfAborted()
    report({ phase: `${image}: ${record.archive} is the base of ${record.bases.join(', ') || 'nothing'}` })
    await images.setMetadata(image, recordKey(record.archive), JSON.stringify(record))
  }
  for (const { archiveId: archive, snapshot, record } of plan.remove) {
    signal.throwIfAborted()
    if (snapshot !== null) {
      report({ phase: `removing RBD snapshot ${snapshot.name}` })
      await images.removeSnapshot(image, snapshot)
    }
    if (record !== null) await images.removeMetadata(image, recordKey(archive))
    deps.log.info({ volume: volumeId, image, archive, snapshot: snapshot?.name ?? null }, 'RBD snapshot released')
  }
}

/** Everything of ours on the image: snapshots by name, records by what they say. null: there is no such image. */
async function heldOn(
  { installation }: MoveDeps,
  images: VolumeImages,
  image: string,
  volumeId: string,
): Promise<Held[] | null> {
  const snapshots = await images.snapshots(image)
  if (snapshots === null) return null
  const records = readRecords(await metadataOf(images, image), { installation, volumeId })
  const named = snapshots.flatMap((snapshot) => {
    const archiveId = archiveOfSnapshot(snapshot.name)
    return archiveId === null ? [] : [{ archiveId, snapshot }]
  })
  const withRecord = records.map((record): Held => ({
    archiveId: record.archive,
    record,
    snapshot: named.find(({ archiveId }) => archiveId === record.archive)?.snapshot ?? null,
  }))
  const bare = named.filter(({ archiveId }) => records.every(({ archive }) => archive !== archiveId))
  return [...withRecord, ...bare.map((one): Held => ({ ...one, record: null }))]
}

async function metadataOf(images: VolumeImages, image: string): Promise<Map<string, string>> {
  try {
    return await images.metadata(image)
  } catch (error) {
    // deleted since its snapshots were listed
    if (error instanceof CodedError && error.code === 'CK-SOURCE-IMAGE-MISSING') return new Map()
    throw error
  }
}
