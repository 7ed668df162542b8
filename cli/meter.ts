import type { Progress } from '../targets/target.js'
import { size, span } from './words.js'

/** Turns what an act reports into a line: phase, bytes, share, rate and time to go. */
export interface Meter {
  read(progress: Progress): string
}

/** A meter for each act by its id: rates of two acts must not mix. */
export function meters(): (act: string) => Meter {
  const known = new Map<string, Meter>()
  return (act) => {
    const meter = known.get(act) ?? createMeter()
    known.set(act, meter)
    return meter
  }
}

/** How far back a rate looks. */
const windowMs = 30_000

/** @param clock milliseconds, for tests */
export function createMeter(clock: () => number = () => performance.now()): Meter {
  let phase = ''
  let samples: { at: number; bytes: number }[] = []
  return {
    read({ phase: now, doneBytes, totalBytes, bytesPerSecond }) {
      if (doneBytes === undefined) return now
      const at = clock()
      // another phase counts other bytes; fewer than before: it began again
      if (now !== phase || doneBytes < (samples.at(-1)?.bytes ?? 0)) samples = []
      phase = now
      samples = [...samples.filter((sample) => at - sample.at <= windowMs), { at, bytes: doneBytes }]
      const share = Math.floor((100 * doneBytes) / Math.max(totalBytes ?? 1, 1))
      const parts = [
        totalBytes === undefined ? size(doneBytes) : `${size(doneBytes)} of ${size(totalBytes)} (${share} %)`,
      ]
      const first = samples[0] ?? { at, bytes: doneBytes }
      // the mover saw every step; what is seen here from time to time is less exact, and late
      const seen = at > first.at ? ((doneBytes - first.bytes) * 1000) / (at - first.at) : 0
      const rate = bytesPerSecond ?? seen
      if (rate > 0) {
        parts.push(`${size(Math.round(rate))}/s`)
        if (totalBytes !== undefined) parts.push(`${span((totalBytes - doneBytes) / rate)} left`)
      }
      return `${now} ${parts.join(', ')}`
    },
  }
}
