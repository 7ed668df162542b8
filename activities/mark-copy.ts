import { CodedError } from '../errors/coded-error.js'
import type { Copy, CopyState } from '../targets/target.js'
import { withHeartbeat } from './copy-context.js'
import { findTarget } from './find-target.js'
import type { MoveDeps } from './move-activities.js'

/** What was found out about a copy, as it is written on its target. */
export interface CopyMark {
  state: CopyState
  rootHash: string | null
  hashedBytes?: number | undefined
  verifiedAt: string | null
  reason: string | null
}

const lost = new Set<string>(['CK-BACKUP-GONE', 'CK-COPY-GONE', 'CK-COPY-NOT-OURS'])

/** Writes the mark on the target. A copy that is gone, or no longer says that it is ours, is damaged whatever was found. */
export function markCopy({ targets, log }: Pick<MoveDeps, 'targets' | 'log'>) {
  return async ({ target, copy, mark }: { target: string; copy: Copy; mark: CopyMark }): Promise<Copy> =>
    withHeartbeat(async (context) => {
      try {
        return await findTarget(targets, target).markCopy(copy, mark, context)
      } catch (err) {
        if (!(err instanceof CodedError) || !lost.has(err.code)) throw err
        // there is nothing to write on, and trying again would hold the archive for ever
        const { volumeId: volume, archive } = copy
        log.error({ volume, archive, target, code: err.code, err }, 'a copy vanished before it was marked')
        const reason = mark.state === 'damaged' ? mark.reason : err.message
        return { ...copy, ...mark, state: 'damaged', verifiedAt: null, reason }
      }
    })
}
