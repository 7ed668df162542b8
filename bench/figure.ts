import type { Place } from './place.js'
import type { Summary } from './rounds.js'

/** How much of each figure is measured; `smoke` only shows that everything still runs. */
export type Size = 'full' | 'smoke'

/** One measured figure beside what it is compared with. */
export interface Row {
  /** What is measured, as design section 10 words it. */
  work: string
  unit: 'ms' | '/s' | 'MB'
  ours: Summary
  /** Null where nothing bare does the same work. */
  bare: Summary | null
  /** What `bare` is. */
  bareIs: string
  /** Ours in relation to bare, median of the rounds; null without a bare one. */
  ratio: Summary | null
  /** Null: told for comparison only. */
  goal: Goal | null
  /** What else was counted, for whoever asks why. */
  notes: string[]
}

/** What the design wants to be reached: a share of bare, or a number of its own. */
export interface Goal {
  of: 'ratio' | 'ours'
  is: 'at least' | 'at most'
  value: number
}

export interface Figure {
  /** On the command line. */
  name: string
  measure(place: Place, size: Size): Promise<Row[]>
}

export function isReached({ goal, ratio, ours }: Row): boolean | null {
  if (goal === null) return null
  const median = goal.of === 'ratio' ? ratio?.median : ours.median
  if (median === undefined) return null
  return goal.is === 'at least' ? median >= goal.value : median <= goal.value
}
