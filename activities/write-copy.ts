import type { Capture, Copy } from '../targets/target.js'
import { withHeartbeat } from './copy-context.js'
import { findTarget } from './find-target.js'
import type { MoveDeps } from './move-activities.js'

/** Stores a capture on a target; found and resumed when an earlier attempt began it. */
export function writeCopy({ targets, log }: MoveDeps) {
  return async (request: { target: string; capture: Capture; base: Copy | null; force: boolean }): Promise<Copy> => {
    const { target, capture, base, force } = request
    const started = Date.now()
    const copy = await withHeartbeat((context) =>
      findTarget(targets, target).writeCopy(capture, base, context, { force }),
    )
    const { volume, archive } = capture
    log.info({ volume: volume.volumeId, archive, target, ms: Date.now() - started }, 'copy written')
    return copy
  }
}
