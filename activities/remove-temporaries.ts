import { withHeartbeat } from './copy-context.js'
import { findTarget } from './find-target.js'
import type { MoveDeps } from './move-activities.js'

/** Removes what an archive made on (or for) a target beside finished copies. */
export function removeTemporaries({ targets }: Pick<MoveDeps, 'targets'>) {
  return async (request: { target: string; archiveId: string; volumeId: string }): Promise<void> => {
    const { target, ...archive } = request
    await withHeartbeat((context) => findTarget(targets, target).removeTemporaries(archive, context))
  }
}
