import { withoutUserInfo } from '../../config/written.js'
import { count } from '../words.js'
import type { Level } from './check.js'
import type { Told } from './run-checks.js'

/** Worst last: on a terminal that is what stands above the prompt. */
const order: readonly Level[] = ['ok', 'skipped', 'warning', 'fault']

/** `--json`; docs/doctor.md describes it. */
export interface DoctorDocument {
  checkedAt: string
  config: string
  counts: Record<Level, number>
  findings: Told[]
}

export function documentOf(told: Told[], config: string, now: number): DoctorDocument {
  const counts = Object.fromEntries(order.map((level) => [level, told.filter((one) => one.level === level).length]))
  return {
    checkedAt: new Date(now).toISOString(),
    config,
    counts: counts as Record<Level, number>,
    findings: told.map((one) => ({
      ...{ check: one.check, level: one.level, code: one.code, what: withoutUserInfo(one.what) },
      cure: one.cure === null ? null : withoutUserInfo(one.cure),
    })),
  }
}

/** A line for what is well, and below it whatever is not, with its cure. */
export function textOf({ findings, counts }: DoctorDocument): string {
  const width = Math.max(...findings.map(({ check }) => check.length))
  const lines = order.flatMap((level) => {
    const these = findings.filter((one) => one.level === level)
    const written = level === 'skipped' ? skippedLines(these) : these.flatMap((one) => [line(one, width), ...cure(one)])
    return written.length > 0 && level !== 'ok' ? ['', ...written] : written
  })
  return [...lines, '', summary(counts)].join('\n')
}

function line({ level, check, code, what }: Told, width: number): string {
  const told = code === null ? what : `${code}  ${what}`
  return `${level.padEnd('warning'.length)}  ${check.padEnd(width)}  ${told.replaceAll('\n', ' ')}`
}

/** One server that is away skips many checks. */
function skippedLines(findings: Told[]): string[] {
  const reasons = [...new Set(findings.map(({ what }) => what))]
  return reasons.map((reason) => {
    const checks = new Set(findings.filter(({ what }) => what === reason).map(({ check }) => check))
    return `skipped  ${[...checks].join(', ')}: ${reason}`
  })
}

function cure({ cure }: Told): string[] {
  return cure === null ? [] : cure.split('\n').map((one) => `         ${one}`)
}

function summary(counts: Record<Level, number>): string {
  const parts = [
    `${counts.ok} in order`,
    ...(counts.skipped > 0 ? [`${counts.skipped} skipped`] : []),
    ...(counts.warning > 0 ? [count(counts.warning, 'warning')] : []),
    count(counts.fault, 'fault'),
  ]
  return parts.join(', ')
}
