import { activityInfo, cancellationSignal, heartbeat } from '@temporalio/activity'
import type { CopyContext, Progress } from '../targets/target.js'

/** Most acts are done before that: each heartbeat is a write in Temporal's store, dearer than many an act. */
const quietAtFirstMs = 1000

/**
 * Runs an act with its heartbeat: the last progress that it reported is repeated at a third of the timeout, so that a
 * slow answer of Cinder is no reason to start a second attempt beside a living one.
 * @param options.quietMs nothing is told before that, or before a third of the timeout; default one second. 0 where the
 * next attempt goes on from what this one reports
 */
export async function withHeartbeat<T>(
  act: (context: CopyContext) => Promise<T>,
  { quietMs = quietAtFirstMs }: { quietMs?: number } = {},
): Promise<T> {
  let last: Progress = { phase: 'starting' }
  let isQuiet = quietMs > 0
  const pulseMs = (activityInfo().heartbeatTimeoutMs ?? 60_000) / 3
  const beat = () => {
    heartbeat(last)
  }
  const quiet = setTimeout(
    () => {
      isQuiet = false
      beat()
    },
    Math.min(quietMs, pulseMs),
  )
  const pulse = setInterval(beat, pulseMs)
  const report = (progress: Progress) => {
    last = progress
    if (!isQuiet) beat()
  }
  try {
    return await act({ signal: cancellationSignal(), report })
  } finally {
    clearTimeout(quiet)
    clearInterval(pulse)
  }
}
