import { CodedError } from '../errors/coded-error.js'
import type { Volume } from '../openstack/cinder.js'
import type { CopyContext } from '../targets/target.js'
import { askForRoom, type Deferral } from './find-room.js'
import type { MoveDeps } from './move-activities.js'
import type { CaptureRequest } from './take-capture.js'

/** The targets that have no room for a copy. @throws CodedError `CK-DEFERRED` when that is all that there are */
export async function withoutRoom(
  deps: Pick<MoveDeps, 'targets' | 'log'>,
  request: CaptureRequest,
  volume: Volume,
  context: CopyContext,
): Promise<Deferral[]> {
  const { volumeId, targets, asked = { hasRoom: false, deferred: [] } } = request
  const deferred = await askForRoom(deps, request, volume, context)
  if (asked.hasRoom || deferred.length === 0 || deferred.length < targets.length) return deferred
  const reasons = [...asked.deferred, ...deferred].map(({ target, reason }) => `${target}: ${reason}`)
  throw new CodedError('CK-DEFERRED', `the archive of volume ${volumeId} is put off: ${reasons.join('. ')}`, {
    cure: 'Nothing was made. It is tried again by itself; raise what is too small, or remove what fills it.',
  })
}
