import type { VolumePlace } from '../source/source.js'
import type { CapturedBy } from '../workflows/messages.js'
import { withHeartbeat } from './copy-context.js'
import type { MoveDeps } from './move-activities.js'
import { releaseCinderCapture } from './release-cinder-capture.js'
import { releaseRbdCapture } from './release-rbd-capture.js'

export interface ReleaseRequest {
  archiveId: string
  volumeId: string
  /** null: what became of it is not known. */
  snapshotId: string | null
  /** Absent: Cinder took it. */
  capturedBy?: CapturedBy | undefined
  /** Where the volume was when it was captured, where that is known. */
  place?: VolumePlace | undefined
  /** Targets on which its copy is verified: its RBD snapshot becomes their base. */
  bases?: string[] | undefined
}

/**
 * Removes the archive's snapshot, or makes it a base, and returns when that is done. Found by name: the id of one whose
 * answer was lost was never known.
 * @throws CodedError `CK-SNAPSHOT-BUSY` when a clone holds it; to be tried again
 */
export function releaseCapture(deps: MoveDeps) {
  return async (request: ReleaseRequest): Promise<void> =>
    withHeartbeat(async (context) => {
      const { capturedBy } = request
      if (capturedBy === undefined) await releaseCinderCapture(deps, request, context)
      else await releaseRbdCapture(deps, { ...request, capturedBy }, context)
    })
}
