import { CodedError } from '../errors/coded-error.js'

/** How often the server is asked, and how long it may be silent: parts of the heartbeat timeout. */
const parts = { asked: 1 / 6, silent: 2 / 3 }

/**
 * Does something only as long as the server that gave it to us answers. When it has not for two thirds of the heartbeat
 * timeout, it is about to take us for dead and give the work to another: then this stops, children and all, before that
 * one begins. (Whether a heartbeat was accepted, the SDK does not tell; that it was refused comes as a cancellation.)
 * @param answers rejects when the server does not answer; absent: nobody can be asked
 * @throws CodedError `CK-TEMPORAL-SILENT`, after `act` has ended
 */
export async function whileTold<T>(
  answers: ((deadlineMs: number) => Promise<unknown>) | undefined,
  timeoutMs: number,
  signal: AbortSignal,
  act: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  if (answers === undefined) return act(signal)
  const stop = new AbortController()
  let heardAt = performance.now()
  const look = (): void => {
    // also when it was we who were stopped for a while
    if (performance.now() - heardAt > timeoutMs * parts.silent) stop.abort(silent(timeoutMs))
    answers(timeoutMs * parts.asked).then(
      () => {
        heardAt = performance.now()
      },
      () => undefined,
    )
  }
  const timer = setInterval(look, timeoutMs * parts.asked)
  try {
    return await act(AbortSignal.any([signal, stop.signal]))
  } catch (error) {
    // whatever it made of the abort
    throw stop.signal.aborted && !signal.aborted ? stop.signal.reason : error
  } finally {
    clearInterval(timer)
  }
}

function silent(timeoutMs: number): CodedError {
  const seconds = Math.round((timeoutMs * parts.silent) / 1000)
  return new CodedError(
    'CK-TEMPORAL-SILENT',
    `Temporal has not answered for ${seconds} s, so another may do this now`,
    {
      cure: 'See why this process does not reach Temporal. What it did is gone on from.',
    },
  )
}
