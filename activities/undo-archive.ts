import { moveQueue } from '../workflows/messages.js'
import type { Deps } from './control-activities.js'
import { releaseCapture } from './release-capture.js'
import { removeTemporaries } from './remove-temporaries.js'

export interface UndoRequest {
  volumeId: string
  archiveId: string
  targets: string[]
}

/**
 * Removes by name what an archive left that was terminated, and so could not clean up itself.
 * @returns the queues of the movers who must do it on targets that they alone reach
 */
export function undoArchive(deps: Deps) {
  const remove = removeTemporaries(deps)
  const release = releaseCapture(deps)
  return async ({ volumeId, archiveId, targets }: UndoRequest): Promise<Record<string, string>> => {
    const left: Record<string, string> = {}
    for (const target of targets) {
      const its = deps.targets.get(target)
      // what was made for a target that is configured no more cannot be found by its rules
      if (its === undefined) continue
      if (its.zone === undefined) await remove({ target, archiveId, volumeId })
      else left[target] = moveQueue(its.zone)
    }
    await release({ volumeId, archiveId, snapshotId: null })
    return left
  }
}
