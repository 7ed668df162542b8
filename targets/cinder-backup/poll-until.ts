import type { CopyContext, Progress } from '../target.js'
import type { Setting } from './setting.js'

/** What one look found: the end, or what is being waited for. */
export type Look<T> = { done: T } | { waiting: Progress }

const firstPauseMs = 1_000
const longestPauseMs = 10_000

/**
 * Looks again and again, from every second to every ten, until there is an end; each look that finds none is a
 * heartbeat. It has no deadline of its own: a backup takes as long as it takes, and whoever waits may cancel.
 */
export async function pollUntil<T>(
  { sleep }: Pick<Setting, 'sleep'>,
  context: CopyContext,
  look: (elapsedMs: number) => Promise<Look<T>>,
): Promise<T> {
  let elapsedMs = 0
  for (let pause = firstPauseMs; ; pause = Math.min(pause * 1.5, longestPauseMs)) {
    context.signal.throwIfAborted()
    const seen = await look(elapsedMs)
    if ('done' in seen) return seen.done
    context.report(seen.waiting)
    await sleep(pause, context.signal)
    elapsedMs += pause
  }
}
