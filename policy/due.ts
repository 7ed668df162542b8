import { Cron } from 'croner'
import { readCron } from './cron.js'
import { lastChange, nextChange, offsetAt } from './zone.js'

/** When something is due: `every` of a policy and its time zone. */
export interface Timetable {
  /** Five fields of cron. */
  every: string
  /** IANA name. */
  timezone: string
}

/** A February 29 is at most eight years away (1896 to 1904, 2096 to 2104). */
const longestMs = 8 * 367 * 86_400_000

/**
 * The first nominal time after an instant, as Temporal documents its schedules: the clock on the wall is taken literally. A
 * time that a clock put forward leaves out does not come, one that a clock put back shows twice comes twice (of those
 * Temporal's server itself takes some once: seen with 1.31 in zones east of Greenwich).
 * @param after milliseconds since the epoch; so is what is returned, null when there is none within eight years
 */
export function nextNominal(timetable: Timetable, after: number): number | null {
  const { timezone } = timetable
  const wall = wallTimes(timetable.every)
  let from = after
  let begin = (Math.floor(after / 1000) + 1) * 1000
  while (begin < after + longestMs) {
    const offset = offsetAt(timezone, from)
    const shown = wall.atOrAfter(begin + offset)
    if (shown === null) return null
    const at = shown - offset
    const change = nextChange(timezone, from, at)
    if (change === null) return at
    from = begin = change
  }
  return null
}

/** The last nominal time not after an instant; see `nextNominal`. */
export function lastNominal(timetable: Timetable, notAfter: number): number | null {
  const { timezone } = timetable
  const wall = wallTimes(timetable.every)
  let end = notAfter
  while (end > notAfter - longestMs) {
    const offset = offsetAt(timezone, end)
    const shown = wall.atOrBefore(end + offset)
    if (shown === null) return null
    const at = shown - offset
    const change = lastChange(timezone, end, at - 1)
    if (change === null || change <= at) return at
    end = change - 1
  }
  return null
}

const readers = new Map<string, ReturnType<typeof wallTimesOf>>()

function wallTimes(every: string) {
  let reader = readers.get(every)
  if (reader === undefined) readers.set(every, (reader = wallTimesOf(every)))
  return reader
}

/** What the clock on the wall shows at nominal times, written as if it were UTC: the zone's changes come on top. */
function wallTimesOf(every: string) {
  const { minute, hour, dayOfMonth, month, dayOfWeek } = readCron(every)
  const pattern = [minute, hour, dayOfMonth, month, dayOfWeek].map((values) => values.join(',')).join(' ')
  // days of the month and of the week that are all given leave the other free
  const cron = new Cron(pattern, { timezone: 'UTC', mode: '5-part', domAndDow: true, paused: true })
  return {
    atOrAfter: (shown: number) => cron.nextRun(new Date(shown - 1000))?.getTime() ?? null,
    atOrBefore: (shown: number) => cron.previousRuns(1, new Date(shown + 1))[0]?.getTime() ?? null,
  }
}
