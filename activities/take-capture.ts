import type { Capture, Consistency } from '../targets/target.js'
import type { CapturedBy } from '../workflows/messages.js'
import { withHeartbeat } from './copy-context.js'
import type { Deferral } from './find-room.js'
import type { MoveDeps } from './move-activities.js'
import { takeCinderCapture } from './take-cinder-capture.js'
import { takeRbdCapture } from './take-rbd-capture.js'

export interface CaptureRequest {
  archiveId: string
  /** The archive workflow's id. */
  archive: string
  slot: string
  group: string | null
  volumeId: string
  consistency: { prefer: Consistency[]; require: Consistency }
  /** Written on the snapshot as its expiry. */
  maxAgeSeconds: number
  /** False when every target makes its own snapshot (cinder-backup's `force`). */
  snapshot: boolean
  /** Who will copy it: there must be room for it on one of them. */
  targets: { target: string; force: boolean }[]
  /** Of further targets, which only movers reach: what these said, and whether one of them has room. */
  asked?: { hasRoom: boolean; deferred: Deferral[] } | undefined
  /** Absent: Cinder takes the snapshot. */
  capturedBy?: CapturedBy | undefined
}

/** What was captured, and which targets cannot copy it now. */
export type Taken = Capture & { deferred?: Deferral[] }

/**
 * Takes the archive's snapshot, or finds the one that an earlier attempt took, and says what consistency was achieved.
 * @throws CodedError `CK-DEFERRED` before anything is made, when no target has room for a copy; `CK-CONSISTENCY-FLOOR`
 */
export function takeCapture(deps: MoveDeps) {
  return async (request: CaptureRequest): Promise<Taken> =>
    withHeartbeat(async (context) => {
      const { capturedBy } = request
      return capturedBy === undefined
        ? takeCinderCapture(deps, request, context)
        : takeRbdCapture(deps, { ...request, capturedBy }, context)
    })
}
