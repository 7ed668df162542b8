import { type ActivityInterfaceFor, type ActivityOptions, proxyActivities } from '@temporalio/workflow'
import type { ControlActivities } from '../activities/control-activities.js'
import type { Movers } from '../activities/find-movers.js'
import type { MoveActivities } from '../activities/move-activities.js'
import { failureOf, workerAway } from './failure-of.js'

/** What is done about a target beside writing and reading back. */
export type NearActs = ActivityInterfaceFor<
  Pick<MoveActivities, 'findRoom' | 'listCopies' | 'markCopy' | 'removeTemporaries'>
>

export const { findMovers } = proxyActivities<Pick<ControlActivities, 'findMovers'>>({
  startToCloseTimeout: '10 seconds',
})

/** What we made is removed, and what we found out is written down, however long it takes: no cap. */
export const finishing = {
  startToCloseTimeout: '30 minutes',
  heartbeatTimeout: '30 seconds',
  retry: { initialInterval: '2 seconds', backoffCoefficient: 2, maximumInterval: '5 minutes' },
} as const

/** After so many heartbeats without a mover that is told, later after twice as many each time. */
const awayAfter = { first: 5, longest: 60 }

/** Those that were planned to do it; `queue` is missing where the control worker does. */
export function moversOf(queue: string | undefined, { heartbeatSeconds }: { heartbeatSeconds: number }): Movers {
  return { queue: queue ?? null, heartbeatSeconds }
}

/**
 * The acts of those who reach the target. That no mover takes one is not waited for unseen: it fails as
 * `CK-WORKER-AWAY`, which the server tries no second time.
 */
export function nearActs(
  { queue, heartbeatSeconds }: Movers,
  options: ActivityOptions,
  beats = awayAfter.first,
): NearActs {
  if (queue === null) return proxyActivities<MoveActivities>(options)
  const scheduleToStartTimeout = `${beats * heartbeatSeconds} seconds` as const
  return proxyActivities<MoveActivities>({ ...options, taskQueue: queue, scheduleToStartTimeout })
}

/**
 * Does something about a target for as long as it takes. While nobody near it takes the act, that is told, and the
 * configuration is asked who is near it now.
 * @throws ActivityFailure of `CK-TARGET-UNKNOWN` when it was taken out of the configuration meanwhile
 */
export async function nearTarget<T>(
  { target, movers, options }: { target: string; movers: Movers; options: ActivityOptions },
  act: (acts: NearActs) => Promise<T>,
  tell: (reason: string) => void,
): Promise<T> {
  let now = movers
  for (let beats = awayAfter.first; ; beats = Math.min(2 * beats, awayAfter.longest)) {
    try {
      return await act(nearActs(now, options, beats))
    } catch (error) {
      const { code, message } = failureOf(error)
      if (code !== workerAway) throw error
      tell(message)
      now = (await findMovers({ targets: [target] }))[target] ?? now
    }
  }
}
