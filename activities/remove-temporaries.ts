import type { Deps } from './control-activities.js'
import { withHeartbeat } from './copy-context.js'
import { findTarget } from './find-target.js'

/** Removes what an archive made on (or for) a target beside finished copies. */
export function removeTemporaries({ targets }: Deps) {
  return async (request: { target: string; archiveId: string; volumeId: string }): Promise<void> => {
    const { target, ...archive } = request
    await withHeartbeat((context) => findTarget(targets, target).removeTemporaries(archive, context))
  }
}
