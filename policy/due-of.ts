import { lastNominal, nextNominal } from './due.js'
import { writtenSeconds } from './measures.js'
import { missed } from './missed.js'
import type { LastPoint, Policy, VolumeFacts } from './policy.js'
import { isOpen, opensAt } from './window.js'

/** When a policy's schedule comes. */
export interface PolicyTimes {
  /** The last and next nominal times, ISO 8601; null without `every`. */
  lastAt: string | null
  nextAt: string | null
  /** When its window opens, ISO 8601; null when it is open or there is none. */
  opensAt: string | null
  /** What an operator should know; one sentence each. */
  warnings: string[]
}

/** @param now milliseconds since the epoch */
export function timesOf(policy: Policy, now: number): PolicyTimes {
  const { every, timezone, window, rpoSeconds } = policy
  const timetable = every === null ? null : { every, timezone }
  const next = timetable === null ? null : nextNominal(timetable, now)
  const last = timetable === null ? null : lastNominal(timetable, now)
  const warnings: string[] = []
  if (window !== null && next !== null && !isOpen(window, timezone, next)) {
    const opens = new Date(opensAt(window, timezone, next)).toISOString().slice(0, 19)
    warnings.push(`Its window is closed at the next time of \`every\`: what is due then waits until ${opens}Z.`)
  }
  if (timetable !== null && next !== null && rpoSeconds !== null) {
    const after = nextNominal(timetable, next)
    if (after !== null && (after - next) / 1000 > rpoSeconds) {
      const gap = writtenSeconds((after - next) / 1000)
      warnings.push(
        `Its rpo (${writtenSeconds(rpoSeconds)}) is less than the ${gap} between two of its times: it will be overdue.`,
      )
    }
  }
  return {
    lastAt: iso(last),
    nextAt: iso(next),
    opensAt: window === null || isOpen(window, timezone, now) ? null : iso(opensAt(window, timezone, now)),
    warnings,
  }
}

/** What is due of one volume. */
export interface VolumeDue {
  /** Why an archive of it is due now, one sentence; null: none is, as far as is known. */
  now: string | null
  overdue: boolean
}

/** @param last its last verified point */
export function dueOf(policy: Policy, volume: VolumeFacts, last: LastPoint | null, now: number): VolumeDue {
  const { rpoSeconds } = policy
  const since = Date.parse(last === null ? volume.createdAt : last.capturedAt)
  return {
    now: missed(policy, volume, last, now),
    overdue: rpoSeconds !== null && since + rpoSeconds * 1000 < now,
  }
}

function iso(at: number | null): string | null {
  return at === null ? null : new Date(at).toISOString()
}
