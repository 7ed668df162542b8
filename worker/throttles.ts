import { createThrottle, type Throttles } from '../activities/throttle.js'
import type { Config } from '../config/config.js'

/** How fast this process may move bytes, from the file. */
export function throttlesOf({ mover, targets }: Pick<Config, 'mover' | 'targets'>): Throttles {
  const limited = Object.entries(targets).flatMap(([name, target]) =>
    target.kind === 'ceph' && target.bandwidth !== undefined ? [[name, createThrottle(target.bandwidth)] as const] : [],
  )
  return {
    mover: mover.bandwidth === undefined ? undefined : createThrottle(mover.bandwidth),
    targets: new Map(limited),
  }
}
