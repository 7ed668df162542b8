import type { Capture, Copy, WrittenCopy } from '../targets/target.js'
import { withHeartbeat } from './copy-context.js'
import type { CopyDeps } from './move-activities.js'
import { moving } from './moving.js'

/** Stores a capture on a target; found and resumed when an earlier attempt began it. */
export function writeCopy(deps: CopyDeps) {
  return async (request: {
    target: string
    capture: Capture
    base: Copy | null
    force: boolean
  }): Promise<WrittenCopy> => {
    const { target, capture, base, force } = request
    const started = Date.now()
    const copy = await withHeartbeat((given) =>
      moving(deps, target, given, (to, context) => to.writeCopy(capture, base, context, { force })),
    )
    const { volume, archive } = capture
    deps.log.info({ volume: volume.volumeId, archive, target, ms: Date.now() - started }, 'copy written')
    return copy
  }
}
