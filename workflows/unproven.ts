import type { Copy } from '../targets/target.js'
import type { TargetOutcome } from './messages.js'

/** A copy that was found bad, or may be, is a failure; one that could not be looked at is not, and says so. */
export function unproven({
  target,
  state,
  reason,
}: Pick<Copy, 'target' | 'state' | 'reason'>): TargetOutcome['failure'] {
  const why = reason ?? 'unknown'
  if (state === 'damaged') {
    const message = `CK-COPY-DAMAGED  the copy on ${target} did not read back as it was written: ${why}`
    return { code: 'CK-COPY-DAMAGED', message }
  }
  if (state === 'suspect') {
    return { code: 'CK-COPY-SUSPECT', message: `CK-COPY-SUSPECT  the copy on ${target} may be damaged: ${why}` }
  }
  return null
}
