/** How far a time zone's clock is from UTC, and when that changes. From the runtime's own time zone data. */

const dayMs = 86_400_000
const minuteMs = 60_000

const formats = new Map<string, Intl.DateTimeFormat>()

/** @throws RangeError when the runtime knows no such time zone */
function formatOf(timezone: string): Intl.DateTimeFormat {
  let format = formats.get(timezone)
  if (format === undefined) {
    format = new Intl.DateTimeFormat('en', {
      ...{ timeZone: timezone, hourCycle: 'h23', era: 'short' },
      ...{ year: 'numeric', month: 'numeric', day: 'numeric', hour: 'numeric', minute: 'numeric', second: 'numeric' },
    })
    formats.set(timezone, format)
  }
  return format
}

/** What is to be added to UTC for the clock on the wall, in milliseconds. */
export function offsetAt(timezone: string, at: number): number {
  const second = Math.floor(at / 1000) * 1000
  const read: Record<string, number> = {}
  for (const { type, value } of formatOf(timezone).formatToParts(second)) read[type] = Number(value)
  const { year = 0, month = 0, day = 0, hour = 0, minute = 0, second: seconds = 0 } = read
  return Date.UTC(year, month - 1, day, hour, minute, seconds) - second
}

/** The first instant after `from` and not after `until` at which the clock is put; null when it is not. */
export function nextChange(timezone: string, from: number, until: number): number | null {
  const offset = offsetAt(timezone, from)
  // no zone ever put its clock twice within a day
  for (let at = from; at < until; at += dayMs) {
    const end = Math.min(at + dayMs, until)
    if (offsetAt(timezone, end) !== offset) return bisect(timezone, at, end)
  }
  return null
}

/** The last instant not after `from`, and after `until`, at which the clock was put; null when it was not. */
export function lastChange(timezone: string, from: number, until: number): number | null {
  const offset = offsetAt(timezone, from)
  for (let at = from; at > until; at -= dayMs) {
    const start = Math.max(at - dayMs, until)
    if (offsetAt(timezone, start) !== offset) return bisect(timezone, start, at)
  }
  return null
}

/** Clocks are put at whole minutes. */
function bisect(timezone: string, before: number, after: number): number {
  const offset = offsetAt(timezone, before)
  let low = Math.floor(before / minuteMs)
  let high = Math.ceil(after / minuteMs)
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2)
    if (offsetAt(timezone, middle * minuteMs) === offset) low = middle
    else high = middle
  }
  return high * minuteMs
}
