import { CodedError } from '../errors/coded-error.js'
import { orNull } from '../openstack/or-null.js'
import type { Copy } from '../targets/target.js'
import type { Pace } from '../workflows/messages.js'
import { controlQueue, moveQueue } from '../workflows/messages.js'
import type { Deps } from './control-activities.js'
import { findTarget } from './find-target.js'

/** Which copies of a point are read back, and where. */
export interface VerifyPlan {
  /** `nearQueue` as in `TargetPlan`. */
  copies: { copy: Copy; queue: string; nearQueue?: string }[]
  pace: Pace
}

/**
 * Finds the movers that reach the copies of a point.
 * @throws CodedError `CK-POINT-UNKNOWN` when no target that was asked for holds a copy that can be read
 */
export function planVerify(deps: Deps) {
  return async (request: {
    volumeId: string
    point: string
    targets: string[] | null
    copies: Copy[]
  }): Promise<VerifyPlan> => {
    const { volumeId, point, targets } = request
    const wanted = request.copies.filter(({ target }) => targets?.includes(target) ?? true)
    const readable = wanted.filter(({ state }) => state !== 'writing' && state !== 'removing')
    if (readable.length === 0) {
      const where = targets === null ? '' : ` on ${targets.join(', ')}`
      throw new CodedError('CK-POINT-UNKNOWN', `volume ${volumeId} has no copy of ${point}${where} that can be read`, {
        cure: '`cinderkeep points VOLUME` lists its points and where copies of them are.',
      })
    }
    const zone = await zoneOf(deps, volumeId)
    const copies = readable.map((copy) => {
      const { queues, zone: its } = findTarget(deps.targets, copy.target)
      const reached = zone ?? its
      const queue = queues.verify === 'move' && reached !== undefined ? moveQueue(reached) : controlQueue
      return { copy, queue, ...(its !== undefined && { nearQueue: moveQueue(its) }) }
    })
    return { copies, pace: deps.pace }
  }
}

/** The volume's, or where it is gone that of all storage, if there is only one: its copies are read near it all the same. */
async function zoneOf({ cinder, sources }: Deps, volumeId: string): Promise<string | undefined> {
  const volume = await orNull('CK-VOLUME-GONE', async () => cinder.getVolume(volumeId))
  if (volume !== null) return sources.find(volume.host)?.zone
  return sources.zones.length === 1 ? sources.zones[0] : undefined
}
