import { setTimeout as sleep } from 'node:timers/promises'
import { CodedError } from '../errors/coded-error.js'
import type { Snapshot } from '../openstack/cinder.js'
import type { Image } from '../openstack/glance.js'
import { orNull } from '../openstack/or-null.js'
import type { CopyContext } from '../targets/target.js'
import type { NovaCapture, NovaCaptureRequest, NovaSnapshot } from './capture-by-nova.js'
import { captureName, novaCaptureMetadata } from './find-captures.js'
import {
  madeWith,
  removeNovaWork,
  stuckAfter,
  type NovaDeps,
  type NovaVolume,
  type NovaWork,
} from './nova-leftovers.js'
import { busyState, missingProperties } from './nova-way.js'
import { removeSnapshot } from './release-cinder-capture.js'

/**
 * Makes the snapshots of a finished `createImage` captures of ours and removes the image. In this order, each step
 * repeatable, so that a next attempt goes on wherever one died: verdict, metadata, name; whatever else bears the image's
 * name is removed; the image goes last, since it tells which snapshots belong together.
 * @throws CodedError `CK-NOVA-IMAGE-FAILED` when the image lacks a wanted volume or a snapshot failed; all of it was removed
 */
export async function adoptNovaImage(
  deps: NovaDeps,
  request: NovaCaptureRequest,
  image: Image,
  work: NovaWork,
  context: CopyContext,
): Promise<NovaCapture> {
  const made = madeWith(image, work)
  const chosen = request.volumes.map((volume) => made.find(({ volumeId }) => volumeId === volume.volumeId))
  const snapshots: Snapshot[] = []
  for (const one of chosen) {
    const ready = one === undefined ? null : await untilAvailable(deps, one, context)
    if (ready === null) {
      await removeNovaWork(deps, work, context)
      const what = one === undefined ? 'a wanted volume is not in its image' : `snapshot ${one.id} failed`
      throw new CodedError('CK-NOVA-IMAGE-FAILED', `server ${request.serverId}: ${what}`, {
        cure: 'The logs of nova-api and cinder-volume say why. What was left is removed, and it is tried again.',
      })
    }
    snapshots.push(ready)
  }
  const ofServer = await whyNotFrozen(deps, request, image)
  const adopted: NovaSnapshot[] = []
  for (const [at, volume] of request.volumes.entries()) {
    const snapshot = snapshots[at]
    if (snapshot !== undefined) adopted.push(await adopt(deps, request, volume, snapshot, ofServer))
  }
  await removeOthers(deps, work, adopted, context)
  // the youngest first: the one that was chosen is the last to go
  for (const { id } of work.images.toReversed()) await deps.glance.deleteImage(id)
  return { snapshots: adopted }
}

/** What an attempt adopted that died before it could say so; null when something is missing. */
export async function adoptedBefore(
  deps: NovaDeps,
  { volumes }: NovaCaptureRequest,
  work: NovaWork,
  context: CopyContext,
): Promise<NovaCapture | null> {
  const found = volumes.map((volume) =>
    work.adopted.find(({ archiveId, volumeId }) => archiveId === volume.archiveId && volumeId === volume.volumeId),
  )
  const snapshots = volumes.flatMap((volume, at) => {
    const snapshot = found[at]
    return snapshot?.status === 'available' ? [shown(volume, snapshot)] : []
  })
  if (snapshots.length < volumes.length) return null
  await removeOthers(deps, work, snapshots, context)
  return { snapshots }
}

/** Those of volumes that nobody asked for: one that is stuck keeps the guest frozen like any other. */
async function removeOthers(deps: NovaDeps, work: NovaWork, kept: NovaSnapshot[], context: CopyContext): Promise<void> {
  const others = [...work.loose, ...work.adopted].filter(({ id }) => !kept.some(({ snapshotId }) => snapshotId === id))
  await Promise.all(others.map(async ({ id }) => removeSnapshot(deps, id, context, stuckAfter(deps))))
}

/** The metadata goes first: a snapshot that bears our name and no sign of us would be found by neither name. */
async function adopt(
  { cinder, installation }: NovaDeps,
  request: NovaCaptureRequest,
  volume: NovaVolume,
  snapshot: Snapshot,
  ofServer: string | null,
): Promise<NovaSnapshot> {
  const { archive, imageName, maxAgeSeconds } = request
  const name = captureName(volume.archiveId)
  if (snapshot.name === name) return shown(volume, snapshot)
  const description = `capture of ${archive}; removed when its copies are done`
  // an attempt that died between the two looked at the server sooner than this one can
  if (snapshot.metadata['ck:nova'] === imageName) {
    await cinder.updateSnapshot(snapshot.id, { name, description })
    return shown(volume, { ...snapshot, name })
  }
  const others = (await cinder.getVolume(volume.volumeId)).attachments.filter(
    ({ serverId }) => serverId !== request.serverId,
  )
  const why = ofServer ?? (others.length > 0 ? 'the volume is attached elsewhere too' : null)
  const metadata = novaCaptureMetadata(installation, { ...volume, maxAgeSeconds }, { imageName, why })
  await cinder.setSnapshotMetadata(snapshot.id, metadata)
  await cinder.updateSnapshot(snapshot.id, { name, description })
  return shown(volume, { ...snapshot, name, metadata: { ...snapshot.metadata, ...metadata } })
}

function shown({ volumeId, archiveId }: NovaVolume, snapshot: Snapshot): NovaSnapshot {
  const frozen = snapshot.metadata['ck:frozen'] === 'yes'
  return {
    ...{ volumeId, archiveId, snapshotId: snapshot.id, name: snapshot.name, frozen },
    createdAt: `${snapshot.createdAt.slice(0, 19)}Z`,
    sizeBytes: snapshot.sizeGib * 2 ** 30,
    reason: frozen ? null : (snapshot.metadata['ck:why'] ?? 'it is not known'),
  }
}

/**
 * Nova freezes what is ACTIVE, and with both properties fails where it could not. It was ACTIVE before, or nothing would
 * have been sent; and what it did after the image was made tells whether it was off in between.
 */
async function whyNotFrozen(deps: NovaDeps, { serverId }: NovaCaptureRequest, image: Image): Promise<string | null> {
  const missing = missingProperties(image.properties)
  if (missing.length > 0) return `Nova knew the server without ${missing.join(' and ')}`
  const server = await orNull('CK-SERVER-GONE', async () => deps.nova.getServer(serverId))
  const state = server === null ? 'gone' : busyState(server)
  return state === null ? null : `the server is ${state} after it`
}

/** Null when Cinder could not make it, or makes nothing of it while the guest stands still. */
async function untilAvailable(
  deps: NovaDeps,
  snapshot: Snapshot,
  { signal, report }: CopyContext,
): Promise<Snapshot | null> {
  const { cinder } = deps
  const end = performance.now() + stuckAfter(deps)
  for (let now = snapshot; ; now = await cinder.getSnapshot(snapshot.id)) {
    if (now.status === 'available' || now.status === 'backing-up') return now
    if (now.status !== 'creating') return null
    if (performance.now() >= end) {
      await cinder.resetStatus('snapshots', now.id, 'error')
      return null
    }
    report({ phase: `snapshot ${now.name} is ${now.status}` })
    await sleep(200, undefined, { signal })
  }
}
