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
  /** The snapshot that was taken while all servers of the volume were frozen, and stayed so: Cinder's id, or the RBD snapshot's name; absent: none was. */
  frozenSnapshotId?: string | undefined
  /** When that was, ISO 8601; an RBD snapshot does not tell it itself. */
  frozenAt?: string | undefined
  /** What the record of that snapshot is known by; an RBD snapshot alone has one. */
  prepared?: string | undefined
  /** Why none was, where that was tried; sentences with a code, for people. */
  notFrozen?: string[] | undefined
  /** The volumes that were captured with it, itself included; with `group`. */
  members?: string[] | undefined
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
