import { moveQueue } from '../workflows/messages.js'
import type { Deps } from './control-activities.js'
import { findTarget } from './find-target.js'

/** Who does everything about a target but writing and reading back: lists copies, marks them, clears away. */
export interface Movers {
  /** Their queue; null: nobody need be near it, the control worker does. */
  queue: string | null
  /** How long a mover may be silent: after some times as long none is there. */
  heartbeatSeconds: number
}

/**
 * Which movers reach each of these targets, as configured now; null: of all.
 * @throws CodedError `CK-TARGET-UNKNOWN`
 */
export function findMovers({ targets, pace }: Pick<Deps, 'targets' | 'pace'>) {
  return async ({ targets: names }: { targets: string[] | null }): Promise<Record<string, Movers>> => {
    const { heartbeatSeconds } = pace
    const found = (names ?? [...targets.keys()]).map((name): [string, Movers] => {
      const { zone } = findTarget(targets, name)
      return [name, { queue: zone === undefined ? null : moveQueue(zone), heartbeatSeconds }]
    })
    return Object.fromEntries(found)
  }
}
