import { table } from '../../cli/table.js'
import type { Machine } from '../machine.js'
import { ratios, summary } from '../rounds.js'
import type { DataRow } from './rows.js'
import type { Measured } from './subject.js'

/** One row in numbers: medians, seconds and MB; null where nobody was compared with. */
export function toFigures({ work, goal, measured }: DataRow) {
  const of = (pick: (one: Measured) => number | null): number | null => {
    const all = measured.map(pick).filter((one) => one !== null)
    return all.length === 0 ? null : summary(all).median
  }
  const seconds = (pick: (one: Measured) => number | null) => {
    const ms = of(pick)
    return ms === null ? null : ms / 1000
  }
  const compared = measured.filter(({ bare }) => bare !== null)
  const write = compared.map(({ ours }) => ours.writeMs)
  const ratio =
    compared.length === 0
      ? null
      : summary(
          ratios(
            write,
            compared.map(({ bare }) => bare?.ms ?? Number.NaN),
          ),
        ).median
  return {
    work,
    rounds: measured.length,
    captureSeconds: seconds(({ ours }) => ours.captureMs),
    writeSeconds: seconds(({ ours }) => ours.writeMs),
    verifySeconds: seconds(({ ours }) => ours.verifyMs),
    bareSeconds: seconds(({ bare }) => bare?.ms ?? null),
    readSeconds: seconds(({ readMs }) => readMs),
    cinderSeconds: seconds(({ cinderMs }) => cinderMs),
    ratio,
    peakMb: Math.max(...measured.map(({ ours }) => ours.peakMb)),
    barePeakMb: of(({ bare }) => bare?.peakMb ?? null),
    goal: goalOf(
      goal,
      ratio,
      of(({ ours }) => ours.captureMs + ours.writeMs),
      of(({ cinderMs }) => cinderMs),
    ),
  }
}

export type Figures = ReturnType<typeof toFigures>

/** Design section 10: a first copy at most 1.15 times the bare pipe; later ones faster than Cinder's driver. */
function goalOf(goal: DataRow['goal'], ratio: number | null, ours: number | null, cinder: number | null) {
  if (goal === null || ratio === null) return null
  if (goal === 'first') return { is: 'written in ≤ 1.15 × the bare pipe', reached: ratio <= 1.15 }
  return { is: 'captured and written faster than Cinder', reached: ours !== null && cinder !== null && ours < cinder }
}

export function asDataTable(rows: Figures[], machine: Machine & { loadBefore: number; loadAfter: number }): string {
  const { date, cpu, memoryGib, node, loadBefore, loadAfter } = machine
  const told = (seconds: number | null) => (seconds === null ? '-' : `${seconds.toFixed(seconds < 10 ? 2 : 1)} s`)
  const mb = (value: number | null) => (value === null ? '-' : `${value.toFixed(0)} MB`)
  const lines = rows.map((row) => [
    row.work,
    ...[row.captureSeconds, row.writeSeconds, row.verifySeconds, row.bareSeconds, row.readSeconds].map(told),
    told(row.cinderSeconds),
    row.ratio === null ? '-' : row.ratio.toFixed(2),
    ...[row.peakMb, row.barePeakMb].map(mb),
    row.goal === null ? '' : `${row.goal.is}: ${row.goal.reached ? 'reached' : 'missed'}`,
  ])
  const heads = [
    'work',
    'snapshot',
    'write',
    'verify',
    'bare pipe',
    'read only',
    'Cinder',
    'write/bare',
    'memory',
    'bare',
    'goal',
  ]
  return [
    `${date}, ${cpu}, ${String(memoryGib)} GiB, Node ${node}`,
    `load ${loadBefore.toFixed(1)} before, ${loadAfter.toFixed(1)} after; medians of the rounds; memory is the most of mover and children`,
    '',
    table(heads, lines, [1, 2, 3, 4, 5, 6, 7, 8, 9]),
  ].join('\n')
}
