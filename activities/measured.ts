import type { CopyContext, Progress } from '../targets/target.js'

/** How far back a rate looks. */
const windowMs = 30_000

/**
 * Adds rate and time to go to what an act reports, so that they can be read where a heartbeat is shown, also by one who
 * looks only once. @param clock milliseconds, for tests
 */
export function measured(
  report: CopyContext['report'],
  clock: () => number = () => performance.now(),
): CopyContext['report'] {
  let phase = ''
  let samples: { at: number; bytes: number }[] = []
  return (progress: Progress) => {
    const { doneBytes, totalBytes } = progress
    if (doneBytes === undefined) {
      report(progress)
      return
    }
    const at = clock()
    // another phase counts other bytes; fewer than before: it began again
    if (progress.phase !== phase || doneBytes < (samples.at(-1)?.bytes ?? 0)) samples = []
    phase = progress.phase
    const last = samples.at(-1)
    // an act may report each piece: a sample a second is enough
    if (last !== undefined && samples.length > 1 && at - (samples.at(-2)?.at ?? 0) < 1000) samples.pop()
    samples = [...samples.filter((sample) => at - sample.at <= windowMs), { at, bytes: doneBytes }]
    const first = samples[0] ?? { at, bytes: doneBytes }
    const bytesPerSecond = at > first.at ? Math.round(((doneBytes - first.bytes) * 1000) / (at - first.at)) : 0
    if (bytesPerSecond === 0) {
      report(progress)
      return
    }
    const left =
      totalBytes === undefined ? {} : { secondsLeft: Math.max(Math.ceil((totalBytes - doneBytes) / bytesPerSecond), 0) }
    report({ ...progress, bytesPerSecond, ...left })
  }
}
