/**
 * The acts near the storage: what moves bytes, snapshots on the storage itself, and whatever else is done on a target that
 * only movers reach. Task queue `move@<zone>`.
 */
import type { Log } from '../log/log.js'
import type { Cinder } from '../openstack/cinder.js'
import type { Sources } from '../source/source.js'
import type { Target } from '../targets/target.js'
import { findRoom } from './find-room.js'
import { listCopies } from './list-copies.js'
import { markCopy } from './mark-copy.js'
import { prepareCapture } from './prepare-capture.js'
import { releaseCapture } from './release-capture.js'
import { removeTemporaries } from './remove-temporaries.js'
import { snapshotTogether } from './snapshot-together.js'
import { takeCapture } from './take-capture.js'
import type { Throttles } from './throttle.js'
import { verifyCopy } from './verify-copy.js'
import type { FindVolumeImages } from './volume-images.js'
import { writeCopy } from './write-copy.js'

/** What the acts need; built once a process. */
export interface MoveDeps {
  installation: string
  cinder: Cinder
  sources: Sources
  imagesOf: FindVolumeImages
  targets: ReadonlyMap<string, Target>
  /** How fast this process may move bytes. */
  throttles: Throttles
  /** Rejects when Temporal gives no answer within the time; milliseconds. Absent: it cannot be asked. */
  temporalAnswers?: ((deadlineMs: number) => Promise<unknown>) | undefined
  /** Nova's status of a server; null where there is no such server, or it may not be seen. */
  serverStatus(serverId: string): Promise<string | null>
  log: Log
}

/** What writing and reading back needs of it. */
export type CopyDeps = Pick<MoveDeps, 'targets' | 'throttles' | 'temporalAnswers' | 'log'>

export type MoveActivities = ReturnType<typeof moveActivities>

export function moveActivities(deps: MoveDeps) {
  return {
    writeCopy: writeCopy(deps),
    verifyCopy: verifyCopy(deps),
    // Cinder's from the control worker, RBD snapshots from the movers that reach the image
    prepareCapture: prepareCapture(deps),
    snapshotTogether: snapshotTogether(deps),
    takeCapture: takeCapture(deps),
    releaseCapture: releaseCapture(deps),
    // on targets that only movers reach; on others the control worker does the same
    findRoom: findRoom(deps),
    listCopies: listCopies(deps),
    markCopy: markCopy(deps),
    removeTemporaries: removeTemporaries(deps),
  }
}
