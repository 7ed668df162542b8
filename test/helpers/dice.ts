/** Random numbers that a seed decides, so that a test which failed can be run again as it was. */
import { randomInt } from 'node:crypto'

/** From `CK_SEED`, or any; to be printed. */
export function seedOfThisRun(): number {
  return Number(process.env['CK_SEED'] ?? randomInt(2 ** 31))
}

/** Mulberry32: small, and the same everywhere. @returns whole numbers from 0 to `below - 1` */
export function dice(from: number): (below: number) => number {
  let state = from
  return (below) => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * below)
  }
}

/**
 * So many moments spread over the whole of an act, as parts of it from 0 to 1: one anywhere in each of as many equal
 * slices, in random order.
 */
export function moments(count: number, roll: (below: number) => number): number[] {
  const fine = 1_000_000
  const spread = Array.from({ length: count }, (_, slice) => (slice + roll(fine) / fine) / count)
  for (let at = spread.length - 1; at > 0; at -= 1) {
    const other = roll(at + 1)
    ;[spread[at], spread[other]] = [spread[other] ?? 0, spread[at] ?? 0]
  }
  return spread
}
