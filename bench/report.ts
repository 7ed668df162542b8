import { table } from '../cli/table.js'
import { isReached, type Goal, type Row } from './figure.js'
import type { Machine } from './machine.js'
import type { Summary } from './rounds.js'

/** The table that is printed: middle values, and where the middle half of the samples lies. */
export function asTable(
  rows: Row[],
  machine: Machine & { temporal: string; loadBefore: number; loadAfter: number },
): string {
  const { date, cpu, memoryGib, node, temporal, loadBefore, loadAfter } = machine
  const lines = rows.map((row) => [
    row.work,
    told(row.ours, row.unit),
    row.bare === null ? '-' : told(row.bare, row.unit),
    row.ratio === null
      ? '-'
      : `${row.ratio.median.toFixed(2)} (${row.ratio.lower.toFixed(2)}–${row.ratio.upper.toFixed(2)})`,
    row.goal === null ? '-' : goalOf(row.goal, row.unit),
    verdict(row),
  ])
  const notes = rows.flatMap((row) => [
    ...(row.bare === null ? [] : [`${row.work}: bare is ${row.bareIs}`]),
    ...row.notes.map((note) => `${row.work}: ${note}`),
  ])
  return [
    `${date}, ${cpu}, ${String(memoryGib)} GiB, Node ${node}, Temporal: ${temporal}`,
    `load ${loadBefore.toFixed(1)} before, ${loadAfter.toFixed(1)} after; medians, and the middle half of the rounds`,
    '',
    table(['work', 'ours', 'bare', 'ratio', 'goal', ''], lines, [1, 2]),
    '',
    ...notes,
  ].join('\n')
}

/** For machines: each row with whether its goal was reached. */
export function withVerdicts(rows: Row[]) {
  return rows.map((row) => ({ ...row, reached: isReached(row) }))
}

function told({ median, lower, upper }: Summary, unit: Row['unit']): string {
  const digits = median < 100 ? 1 : 0
  const spread = `(${lower.toFixed(digits)}–${upper.toFixed(digits)})`
  return unit === '/s' ? `${median.toFixed(digits)}/s ${spread}` : `${median.toFixed(digits)} ${unit} ${spread}`
}

function goalOf({ of, is, value }: Goal, unit: Row['unit']): string {
  const sign = is === 'at least' ? '≥' : '≤'
  return of === 'ratio' ? `${sign} ${value.toFixed(2)}` : `${sign} ${String(value)} ${unit}`
}

function verdict(row: Row): string {
  const reached = isReached(row)
  if (reached === null) return ''
  return reached ? 'reached' : 'missed'
}
