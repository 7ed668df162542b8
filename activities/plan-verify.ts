import { CodedError } from '../errors/coded-error.js'
import type { Copy } from '../targets/target.js'
import type { Pace } from '../workflows/messages.js'
import { controlQueue, moveQueue } from '../workflows/messages.js'
import type { Deps } from './control-activities.js'
import { withHeartbeat } from './copy-context.js'
import { findTarget } from './find-target.js'

/** Which copies of a point are read back, and where. */
export interface VerifyPlan {
  copies: { copy: Copy; queue: string }[]
  pace: Pace
}

/**
 * Finds the copies of a point, on the targets themselves when the caller knows none, and the movers that reach them.
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
    const known = request.copies.length > 0 ? request.copies : await copiesOf(deps, volumeId, point)
    const wanted = known.filter(({ target }) => targets?.includes(target) ?? true)
    const readable = wanted.filter(({ state }) => state !== 'writing' && state !== 'removing')
    if (readable.length === 0) {
      const where = targets === null ? '' : ` on ${targets.join(', ')}`
      throw new CodedError('CK-POINT-UNKNOWN', `volume ${volumeId} has no copy of ${point}${where} that can be read`, {
        cure: '`cinderkeep points VOLUME` lists its points and where copies of them are.',
      })
    }
    const zone = await zoneOf(deps, volumeId)
    const copies = readable.map((copy) => {
      const { queues } = findTarget(deps.targets, copy.target)
      return { copy, queue: queues.verify === 'move' && zone !== undefined ? moveQueue(zone) : controlQueue }
    })
    return { copies, pace: deps.pace }
  }
}

async function copiesOf({ targets }: Deps, volumeId: string, point: string): Promise<Copy[]> {
  return withHeartbeat(async (context) => {
    const lists = await Promise.all([...targets.values()].map((target) => target.listCopies(volumeId, context)))
    return lists.flat().filter((copy) => copy.point === point)
  })
}

/** The volume's, or where it is gone that of all storage, if there is only one: its copies are read near it all the same. */
async function zoneOf({ cinder, sources }: Deps, volumeId: string): Promise<string | undefined> {
  try {
    const { host } = await cinder.getVolume(volumeId)
    return sources.find(host)?.zone
  } catch (error) {
    if (!(error instanceof CodedError) || error.code !== 'CK-VOLUME-GONE') throw error
    return sources.zones.length === 1 ? sources.zones[0] : undefined
  }
}
