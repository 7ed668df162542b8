import type { ActivityExecuteInput, ActivityInboundCallsInterceptor, Next } from '@temporalio/worker'
import { activityInfo } from '@temporalio/activity'
import { ApplicationFailure, CancelledFailure } from '@temporalio/common'
import { CodedError } from '../errors/coded-error.js'
import type { Log } from '../log/log.js'

/** What trying again cannot mend: the archive gives up, and its slot is tried anew later. Everything else is retried. */
const permanent = new Set<string>([
  'CK-VOLUME-GONE',
  'CK-PROJECT-NAME-HIDDEN',
  'CK-CAPTURE-LOST',
  'CK-DEFERRED',
  'CK-CONSISTENCY-FLOOR',
  'CK-BACKUP-FAILED',
  'CK-BACKUP-GONE',
  'CK-COPY-GONE',
  'CK-SAME-CLUSTER',
  'CK-COPY-HAS-DEPENDENTS',
  'CK-FORCE-REFUSED',
  'CK-CLOUD-BAD-REQUEST',
  'CK-CLOUD-FORBIDDEN',
  'CK-CLOUD-NOT-FOUND',
  'CK-CLOUD-QUOTA',
  'CK-CLOUD-ANSWER-INVALID',
  'CK-POLICY-DIFFERS',
  'CK-NOVA-NOT-VOLUME-BACKED',
  'CK-NOVA-QUIESCE-NOT-REQUIRED',
  'CK-NOVA-SERVER-NOT-ACTIVE',
  'CK-NOVA-NOT-ATTACHED',
  // a guest that could not be frozen is not frozen again and again
  'CK-NOVA-QUIESCE-FAILED',
  'CK-QUIESCE-REQUEST',
])

/**
 * Acts that remove what we made, those that look at all volumes, and what nothing else would find again are not given up for
 * what the cloud answers: whoever mends it, or a worker's file, need not think of them.
 */
const neverGivenUp = new Set([
  'releaseCapture',
  'releaseByNova',
  'removeTemporaries',
  'undoArchive',
  'markCopy',
  'listCopies',
  'beginRebuild',
  'hintServer',
  'runPolicy',
  'reconcile',
])

/**
 * The one place that decides between retry and giving up; the text is what `docs/errors.md` and the UI show. Its details
 * tell which attempt failed: of earlier ones, which may have done something all the same, a workflow learns nothing else.
 */
export function toFailure(error: unknown, activity: string, attempt = 1): unknown {
  if (error instanceof ApplicationFailure || error instanceof CancelledFailure) return error
  if (!(error instanceof CodedError)) return error
  const { code, cure, message } = error
  const retryAfterSeconds = (error as { retryAfterSeconds?: unknown }).retryAfterSeconds
  const failure = ApplicationFailure.create({
    type: code,
    message: `${code}  ${message}${cure === undefined ? '' : `\n  ${cure}`}`,
    details: [{ attempt }],
    nonRetryable: code === 'CK-TARGET-UNKNOWN' || (permanent.has(code) && !neverGivenUp.has(activity)),
    // nothing is wrong that time, or more room, will not mend: no error in the UI's and the SDK's eyes
    ...(code === 'CK-DEFERRED' ? { category: 'BENIGN' as const } : {}),
    // 0 would ask again without any pause, for ever
    ...(typeof retryAfterSeconds === 'number' && retryAfterSeconds > 0
      ? { nextRetryDelay: `${retryAfterSeconds} seconds` }
      : {}),
  })
  // the message says what to do, and the log has the stack: in the UI it would only bury the message
  failure.stack = ''
  return failure
}

/** What waits by Node's own means says `AbortError` when its act is cancelled. */
function isCancelled(error: unknown): boolean {
  return error instanceof CancelledFailure || (error instanceof Error && error.name === 'AbortError')
}

/** Casts every activity's error, and logs it with the ids that the UI shows. */
export function failureInterceptor(log: Log): ActivityInboundCallsInterceptor {
  return {
    async execute(
      input: ActivityExecuteInput,
      next: Next<ActivityInboundCallsInterceptor, 'execute'>,
    ): Promise<unknown> {
      const { activityType: activity, attempt, workflowExecution } = activityInfo()
      try {
        return await next(input)
      } catch (error) {
        const failure = toFailure(error, activity, attempt)
        if (failure instanceof ApplicationFailure && failure.category !== 'BENIGN') {
          const code = failure.type ?? 'CK-UNEXPECTED'
          log.warn(
            { activity, attempt, archive: workflowExecution?.workflowId ?? '', code, err: error },
            failure.message,
          )
        } else if (!(failure instanceof ApplicationFailure) && !isCancelled(failure)) {
          log.error(
            { activity, attempt, archive: workflowExecution?.workflowId ?? '', err: error },
            'unexpected failure',
          )
        }
        throw failure
      }
    },
  }
}
