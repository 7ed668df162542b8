import type { Volume } from '../openstack/cinder.js'
import type { CopyContext } from '../targets/target.js'
import { withHeartbeat } from './copy-context.js'
import { findTarget } from './find-target.js'
import type { MoveDeps } from './move-activities.js'

/** A target that has no room for a copy now, and why. */
export interface Deferral {
  target: string
  reason: string
}

export interface RoomRequest {
  volumeId: string
  /** The archive workflow's id. */
  archive: string
  targets: { target: string; force: boolean }[]
}

/** The targets that have no room for a copy of the volume; asked where they are reached, before anything is made. */
export function findRoom(deps: Pick<MoveDeps, 'cinder' | 'targets' | 'log'>) {
  return async (request: RoomRequest): Promise<Deferral[]> =>
    withHeartbeat(async (context) => askForRoom(deps, request, await deps.cinder.getVolume(request.volumeId), context))
}

/** As `findRoom`, of a volume as Cinder shows it. */
export async function askForRoom(
  { targets, log }: Pick<MoveDeps, 'targets' | 'log'>,
  { volumeId, archive, targets: wanted }: RoomRequest,
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
  return deferred
}
