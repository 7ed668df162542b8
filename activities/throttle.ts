import { setTimeout as sleep } from 'node:timers/promises'

/** Returns when so many more bytes may be moved. */
export type Throttle = (bytes: number, signal: AbortSignal) => Promise<void>

/** How fast one process may move bytes: everything together, and to each target. What is not named is not limited. */
export interface Throttles {
  mover?: Throttle | undefined
  targets: ReadonlyMap<string, Throttle>
}

/** So much of a second may be moved at once after a pause. */
const burstSeconds = 0.25

/**
 * A bucket that fills at a rate and is shared by all who move bytes at the same time: whoever comes takes his bytes out of
 * it, below its bottom if need be, and waits until it is full enough again.
 * @param clock milliseconds, for tests
 */
export function createThrottle(bytesPerSecond: number, clock: () => number = () => performance.now()): Throttle {
  /** When everything that was taken so far is paid for. */
  let paidAt = clock()
  return async (bytes, signal) => {
    signal.throwIfAborted()
    paidAt = Math.max(paidAt, clock() - burstSeconds * 1000) + (1000 * bytes) / bytesPerSecond
    const waitMs = paidAt - clock()
    if (waitMs <= 0) return
    try {
      await sleep(waitMs, undefined, { signal })
    } catch (error) {
      signal.throwIfAborted()
      throw error
    }
  }
}

/** Both limits that a copy to this target or from it keeps to; undefined where there are none. */
export function throttleOf(
  { mover, targets }: Throttles,
  target: string,
  signal: AbortSignal,
): ((bytes: number) => Promise<void>) | undefined {
  const own = targets.get(target)
  if (mover === undefined && own === undefined) return undefined
  return async (bytes) => {
    await Promise.all([mover?.(bytes, signal), own?.(bytes, signal)])
  }
}
