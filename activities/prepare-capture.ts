import { randomUUID } from 'node:crypto'
import { volumeObject } from '../source/object-names.js'
import type { CapturedBy } from '../workflows/messages.js'
import { withHeartbeat } from './copy-context.js'
import type { Deferral } from './find-room.js'
import { findEarlier } from './take-cinder-capture.js'
import type { MoveDeps } from './move-activities.js'
import { findEarlierRbd, writeCaptureRecord } from './take-rbd-capture.js'
import type { CaptureRequest } from './take-capture.js'
import { isDetached, useOf } from './volume-use.js'
import { noImages } from './volume-images.js'
import { withoutRoom } from './without-room.js'

export interface Prepared {
  /** An earlier attempt took the snapshot: nothing is left to freeze for. */
  isTaken: boolean
  /** Nobody can write to it: there is nothing to freeze. */
  isDetached: boolean
  /** Which targets cannot copy it now. */
  deferred: Deferral[]
  /** Of an RBD snapshot: what its record is known by. */
  prepared?: string
}

/**
 * All that can be done for a capture before its servers are frozen: looks for what an earlier attempt took, for room on
 * the targets, and writes the record of an RBD snapshot.
 * @throws CodedError as `takeCapture` does, before anything is made
 */
export function prepareCapture(deps: MoveDeps) {
  return async (request: CaptureRequest): Promise<Prepared> =>
    withHeartbeat(async (context) => {
      const volume = await deps.cinder.getVolume(request.volumeId)
      const use = await useOf(deps, volume)
      const { capturedBy } = request
      const prepared = randomUUID()
      const isTaken = await (capturedBy === undefined
        ? findEarlier(deps, request).then((found) => found !== null)
        : prepareRbd(deps, { ...request, capturedBy, prepared }, volume))
      const deferred = isTaken ? [] : await withoutRoom(deps, request, volume, context)
      return { isTaken, isDetached: isDetached(use), deferred, ...(capturedBy !== undefined && { prepared }) }
    })
}

async function prepareRbd(
  deps: MoveDeps,
  request: CaptureRequest & { capturedBy: CapturedBy; prepared: string },
  volume: Awaited<ReturnType<MoveDeps['cinder']['getVolume']>>,
): Promise<boolean> {
  const { id: volumeId, host, nameId } = volume
  const images = deps.imagesOf(host)
  if (images === undefined) throw noImages(volumeId, host)
  const image = volumeObject({ volumeId, host, nameId })
  if ((await findEarlierRbd(images, image, request)) !== undefined) return true
  // it may be attached, or its server started, before the snapshot is taken; `takeCapture` writes what it finds then
  await writeCaptureRecord(deps, images, image, request, false, request.prepared)
  return false
}
