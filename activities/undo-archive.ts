import type { Deps } from './control-activities.js'
import { releaseCapture } from './release-capture.js'
import { removeTemporaries } from './remove-temporaries.js'

/** Removes by name what an archive left that was terminated, and so could not clean up itself. */
export function undoArchive(deps: Deps) {
  const remove = removeTemporaries(deps)
  const release = releaseCapture(deps)
  return async ({ volumeId, archiveId, targets }: { volumeId: string; archiveId: string; targets: string[] }) => {
    // what was made for a target that is configured no more cannot be found by its rules
    for (const target of targets) if (deps.targets.has(target)) await remove({ target, archiveId, volumeId })
    await release({ volumeId, archiveId, snapshotId: null })
  }
}
