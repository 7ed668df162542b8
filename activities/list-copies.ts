import type { Copy } from '../targets/target.js'
import type { Deps } from './control-activities.js'
import { withHeartbeat } from './copy-context.js'
import { findTarget } from './find-target.js'

/** What a target holds of a volume: the second truth, from which a volume's workflow rebuilds. */
export function listCopies({ targets }: Deps) {
  return async ({ volumeId, target }: { volumeId: string; target: string }): Promise<Copy[]> =>
    withHeartbeat((context) => findTarget(targets, target).listCopies(volumeId, context))
}
