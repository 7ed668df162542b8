import { activityInfo, cancellationSignal, heartbeat } from '@temporalio/activity'
import type { CopyContext, Progress } from '../targets/target.js'

/**
 * Runs an act with its heartbeat: the last progress that it reported is repeated at a third of the timeout, so that a
 * slow answer of Cinder is no reason to start a second attempt beside a living one.
 */
export async function withHeartbeat<T>(act: (context: CopyContext) => Promise<T>): Promise<T> {
  let last: Progress = { phase: 'starting' }
  const timeoutMs = activityInfo().heartbeatTimeoutMs ?? 60_000
  const pulse = setInterval(() => {
    heartbeat(last)
  }, timeoutMs / 3)
  const report = (progress: Progress) => {
    last = progress
    heartbeat(progress)
  }
  try {
    return await act({ signal: cancellationSignal(), report })
  } finally {
    clearInterval(pulse)
  }
}
