import type { Capture, Copy, Verification } from '../targets/target.js'
import { withHeartbeat } from './copy-context.js'
import type { CopyDeps } from './move-activities.js'
import { moving } from './moving.js'

/** Reads a copy back and compares it. Only reads the copy; the verdict is written by `markCopy`. */
export function verifyCopy(deps: CopyDeps) {
  return async (request: { target: string; copy: Copy; capture: Capture | null }): Promise<Verification> => {
    const { target, copy, capture } = request
    const started = Date.now()
    const verification = await withHeartbeat((given) =>
      moving(deps, target, given, (from, context) => from.verifyCopy(copy, capture, context)),
    )
    const { volumeId: volume, archive } = copy
    const fields = { volume, archive, target, bytes: verification.readBytes, ms: Date.now() - started }
    deps.log.info({ ...fields, reason: verification.reason }, `copy ${verification.state}`)
    return verification
  }
}
