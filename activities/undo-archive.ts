import { moveQueue } from '../workflows/messages.js'
import type { Deps } from './control-activities.js'
import { withHeartbeat } from './copy-context.js'
import { findNovaWork, type NovaVolume, removeNovaWork } from './nova-leftovers.js'
import { releaseCapture } from './release-capture.js'
import { removeTemporaries } from './remove-temporaries.js'

export interface UndoRequest {
  volumeId: string
  archiveId: string
  targets: string[]
  /** Nova may have made an image for it. */
  mayFreeze?: true
}

/**
 * Removes by name what an archive left that was terminated, and so could not clean up itself.
 * @returns the queues of the movers who must do it on targets that they alone reach
 */
export function undoArchive(deps: Deps) {
  const remove = removeTemporaries(deps)
  const release = releaseCapture(deps)
  return async ({ volumeId, archiveId, targets, mayFreeze }: UndoRequest): Promise<Record<string, string>> => {
    const left: Record<string, string> = {}
    // first what may keep a guest frozen; the capture itself may have a clone until the temporaries are gone
    if (mayFreeze === true) await undoNova(deps, archiveId, [])
    for (const target of targets) {
      const its = deps.targets.get(target)
      // what was made for a target that is configured no more cannot be found by its rules
      if (its === undefined) continue
      if (its.zone === undefined) await remove({ target, archiveId, volumeId })
      else left[target] = moveQueue(its.zone)
    }
    if (mayFreeze === true) await undoNova(deps, archiveId, [{ volumeId, archiveId }])
    await release({ volumeId, archiveId, snapshotId: null })
    return left
  }
}

/** By the name that `snapshotByNova` gives: what is still under way then is found when leftovers are looked for again. */
async function undoNova(deps: Deps, archiveId: string, volumes: NovaVolume[]): Promise<void> {
  await withHeartbeat(async (context) => {
    const work = await findNovaWork(deps, `ck-${archiveId}`, volumes)
    await removeNovaWork(deps, work, context)
  })
}
