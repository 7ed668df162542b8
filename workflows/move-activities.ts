import { ActivityCancellationType, proxyActivities } from '@temporalio/workflow'
import type { MoveActivities } from '../activities/move-activities.js'
import type { Pace } from './messages.js'

/**
 * The acts that may take days: tried again for as long as they can succeed. The first retry comes only after the
 * attempt that the server gave up on must have noticed it too (5 s later, facts/temporal.md 6), so that two attempts
 * seldom run at once; where they do, the target's own fence decides.
 */
export function moveActivities(taskQueue: string, pace: Pace) {
  return proxyActivities<MoveActivities>({
    taskQueue,
    startToCloseTimeout: '7 days',
    heartbeatTimeout: `${pace.heartbeatSeconds} seconds`,
    retry: {
      initialInterval: `${pace.firstRetrySeconds} seconds`,
      backoffCoefficient: 2,
      maximumInterval: '10 minutes',
    },
    // what a cancelled writer leaves can only be removed when it has stopped
    cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
  })
}
