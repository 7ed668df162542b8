/** Middle and spread of what was measured. */
export interface Summary {
  median: number
  /** A quarter of the samples lie below, a quarter above these. */
  lower: number
  upper: number
  samples: number
}

/** What one round measured; the ratio is taken round by round, so that noise meets both sides. */
export interface Rounds {
  ours: Summary
  bare: Summary
  ratio: Summary
}

/** All figures together shall take less than ten minutes. */
const limitMs = 130_000
const fewestRounds = 3

/**
 * Measures ours and bare in turns; who begins changes from round to round. What a machine does besides hurts both.
 * On a machine that is too slow for all rounds it ends earlier, but after no fewer than three.
 * @param measure called with the number of the round, from 0
 */
export async function interleave(
  rounds: number,
  measure: Record<'ours' | 'bare', (round: number) => Promise<number>>,
): Promise<Rounds> {
  const ours: number[] = []
  const bare: number[] = []
  const end = performance.now() + limitMs
  for (let round = 0; round < rounds && (round < fewestRounds || performance.now() < end); round += 1) {
    if (round % 2 === 1) bare.push(await measure.bare(round))
    ours.push(await measure.ours(round))
    if (round % 2 === 0) bare.push(await measure.bare(round))
  }
  return { ours: summary(ours), bare: summary(bare), ratio: summary(ratios(ours, bare)) }
}

export function ratios(ours: number[], bare: number[]): number[] {
  return ours.map((one, round) => one / (bare[round] ?? Number.NaN))
}

/** @throws Error without any sample */
export function summary(samples: number[]): Summary {
  const sorted = [...samples].sort((a, b) => a - b)
  return {
    median: quantile(sorted, 0.5),
    lower: quantile(sorted, 0.25),
    upper: quantile(sorted, 0.75),
    samples: sorted.length,
  }
}

function quantile(sorted: number[], share: number): number {
  const at = (sorted.length - 1) * share
  const below = sorted[Math.floor(at)]
  const above = sorted[Math.ceil(at)]
  if (below === undefined || above === undefined) throw new Error('nothing was measured')
  return below + (above - below) * (at - Math.floor(at))
}

/** Does `work` for 0 … count-1, at most so many at once. */
export async function eachOf(count: number, atOnce: number, work: (index: number) => Promise<void>): Promise<void> {
  let next = 0
  const lane = async (): Promise<void> => {
    while (next < count) {
      const index = next
      next += 1
      await work(index)
    }
  }
  await Promise.all(Array.from({ length: Math.min(atOnce, count) }, lane))
}

/** How many of them were done in a second. */
export async function rateOf(count: number, work: () => Promise<void>): Promise<number> {
  const started = performance.now()
  await work()
  return count / ((performance.now() - started) / 1000)
}
