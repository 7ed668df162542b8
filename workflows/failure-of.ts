import { ActivityFailure, ApplicationFailure, CancelledFailure, TimeoutFailure } from '@temporalio/workflow'

/** Whether other attempts failed before the one that made an activity fail: what became of them is not known. */
export function hadEarlierAttempts(error: unknown): boolean {
  const cause = error instanceof ActivityFailure ? error.cause : error
  if (!(cause instanceof ApplicationFailure)) return false
  const [detail] = (cause.details ?? []) as ({ attempt?: number } | undefined)[]
  return (detail?.attempt ?? 1) > 1
}

/** Code and text of what made an activity fail, as an operator reads them. */
export function failureOf(error: unknown): { code: string; message: string } {
  const cause = error instanceof ActivityFailure ? error.cause : error
  if (cause instanceof ApplicationFailure) return { code: cause.type ?? 'CK-UNEXPECTED', message: cause.message }
  if (cause instanceof TimeoutFailure) {
    const what = error instanceof ActivityFailure ? error.activityType : 'a step'
    if (cause.timeoutType === 'SCHEDULE_TO_START') return noWorker(what)
    const last = cause.cause instanceof Error ? ` Its last error: ${cause.cause.message}` : ''
    return { code: 'CK-TIMED-OUT', message: `CK-TIMED-OUT  ${what} did not succeed in time.${last}` }
  }
  if (cause instanceof CancelledFailure) return { code: 'CK-CANCELLED', message: 'CK-CANCELLED  it was cancelled' }
  return { code: 'CK-UNEXPECTED', message: cause instanceof Error ? cause.message : String(cause) }
}

/** The code of an act that nobody took from its queue in time. */
export const workerAway = 'CK-WORKER-AWAY'

function noWorker(what: string): { code: string; message: string } {
  const message = `${workerAway}  no mover near the storage took ${what}
  Start one (cinderkeep run --role mover, with the zone of that storage), or see why none works: \`cinderkeep doctor\`.`
  return { code: workerAway, message }
}
