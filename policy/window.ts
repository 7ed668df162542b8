import type { Window } from './policy.js'
import { nextChange, offsetAt } from './zone.js'

const minuteMs = 60_000
const dayMinutes = 1440

/** Whether archives may begin now. @param now milliseconds since the epoch */
export function isOpen(window: Window | null, timezone: string, now: number): boolean {
  return window === null || minutesUntil(window, wallMinutes(timezone, now)) === 0
}

/** When the window is open next: `now` when it is. Milliseconds since the epoch. */
export function opensAt(window: Window, timezone: string, now: number): number {
  let from = now
  // a clock that is put may skip the opening, or show again a time at which it is open
  for (;;) {
    const minutes = minutesUntil(window, wallMinutes(timezone, from))
    if (minutes === 0) return from
    const at = Math.floor(from / minuteMs) * minuteMs + minutes * minuteMs
    const change = nextChange(timezone, from, at)
    if (change === null) return at
    from = change
  }
}

/** `22:00-06:00` → minutes of the day, or null when it cannot be read. `24:00` may end it. */
export function readWindow(text: string): Window | null {
  const [, fromHour, fromMinute, toHour, toMinute] = /^\s*(\d{1,2}):(\d\d)\s*-\s*(\d{1,2}):(\d\d)\s*$/.exec(text) ?? []
  const from = minutesOf(fromHour, fromMinute)
  const to = minutesOf(toHour, toMinute)
  if (from === null || to === null || from === dayMinutes || from % dayMinutes === to % dayMinutes) return null
  return { from, to }
}

/** `22:00-06:00`, as people write it. */
export function writtenWindow({ from, to }: Window): string {
  return [from, to]
    .map((minutes) => `${String(Math.floor(minutes / 60)).padStart(2, '0')}:${String(minutes % 60).padStart(2, '0')}`)
    .join('-')
}

function minutesOf(hour: string | undefined, minute: string | undefined): number | null {
  const [hours, minutes] = [Number(hour ?? NaN), Number(minute ?? NaN)]
  const total = hours * 60 + minutes
  return minutes < 60 && total <= dayMinutes ? total : null
}

/** From a minute of the day until the window is open; 0 when it is. The end is outside. */
function minutesUntil({ from, to }: Window, minute: number): number {
  const isInside = from < to ? minute >= from && minute < to : minute >= from || minute < to
  return isInside ? 0 : (from - minute + dayMinutes) % dayMinutes
}

function wallMinutes(timezone: string, at: number): number {
  const shown = at + offsetAt(timezone, at)
  return Math.floor(shown / minuteMs) % dayMinutes
}
