import type { Capture, Copy, Verification } from '../targets/target.js'
import { withHeartbeat } from './copy-context.js'
import { findTarget } from './find-target.js'
import type { MoveDeps } from './move-activities.js'

/** Reads a copy back and compares it. Only reads the copy; the verdict is written by `markCopy`. */
export function verifyCopy({ targets, log }: MoveDeps) {
  return async (request: { target: string; copy: Copy; capture: Capture | null }): Promise<Verification> => {
    const { target, copy, capture } = request
    const started = Date.now()
    const verification = await withHeartbeat((context) =>
      findTarget(targets, target).verifyCopy(copy, capture, context),
    )
    const { volumeId: volume, archive } = copy
    const fields = { volume, archive, target, bytes: verification.readBytes, ms: Date.now() - started }
    log.info({ ...fields, reason: verification.reason }, `copy ${verification.state}`)
    return verification
  }
}
