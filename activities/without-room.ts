import { CodedError } from '../errors/coded-error.js'
import type { Volume } from '../openstack/cinder.js'
import type { CopyContext } from '../targets/target.js'
import { findTarget } from './find-target.js'
import type { MoveDeps } from './move-activities.js'
import type { CaptureRequest, Deferral } from './take-capture.js'

/** The targets that have no room for a copy. @throws CodedError `CK-DEFERRED` when that is all of them */
export async function withoutRoom(
  { targets, log }: Pick<MoveDeps, 'targets' | 'log'>,
  { volumeId, archive, targets: wanted }: CaptureRequest,
  { sizeGib, host }: Volume,
  context: CopyContext,
): Promise<Deferral[]> {
  const deferred: Deferral[] = []
  for (const { target, force } of wanted) {
    context.report({ phase: `looking whether there is room on ${target}` })
    const fit = await findTarget(targets, target).preflight?.({ sizeGib, host }, context, { force })
    if (fit?.fits === false) deferred.push({ target, reason: fit.reason })
  }
  for (const { target, reason } of deferred) log.info({ volume: volumeId, archive, target, reason }, 'there is no room')
  if (deferred.length === 0 || deferred.length < wanted.length) return deferred
  const reasons = deferred.map(({ target, reason }) => `${target}: ${reason}`)
  throw new CodedError('CK-DEFERRED', `the archive of volume ${volumeId} is put off: ${reasons.join('. ')}`, {
    cure: 'Nothing was made. It is tried again by itself; raise what is too small, or remove what fills it.',
  })
}
