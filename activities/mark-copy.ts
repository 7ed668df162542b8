import type { Copy, CopyState } from '../targets/target.js'
import type { Deps } from './control-activities.js'
import { withHeartbeat } from './copy-context.js'
import { findTarget } from './find-target.js'

/** What was found out about a copy, as it is written on its target. */
export interface CopyMark {
  state: CopyState
  rootHash: string | null
  verifiedAt: string | null
  reason: string | null
}

export function markCopy({ targets }: Deps) {
  return async ({ target, copy, mark }: { target: string; copy: Copy; mark: CopyMark }): Promise<Copy> =>
    withHeartbeat((context) => findTarget(targets, target).markCopy(copy, mark, context))
}
