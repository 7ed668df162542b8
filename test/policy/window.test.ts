import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isOpen, opensAt, readWindow, writtenWindow } from '../../policy/window.js'

const at = (iso: string) => Date.parse(iso)
const night = { from: 22 * 60, to: 6 * 60 }

describe('readWindow', () => {
  it('reads two times of a day, the first of which may be the later one', () => {
    expect(readWindow('22:00-06:00')).toEqual(night)
    expect(readWindow(' 9:05 - 24:00 ')).toEqual({ from: 545, to: 1440 })
    expect(writtenWindow(night)).toBe('22:00-06:00')
  })

  it('refuses what is no window, or an empty one', () => {
    for (const text of [
      'night',
      '22-06',
      '25:00-06:00',
      '22:60-23:00',
      '10:00-10:00',
      '00:00-24:00',
      '24:00-06:00',
      '22:00-06:00 UTC',
    ])
      expect([text, readWindow(text)]).toEqual([text, null])
  })
})

describe('a window', () => {
  it('is open from its first minute to the one before its last, on the clock of the time zone', () => {
    const open = (iso: string) => isOpen(night, 'Europe/Zurich', at(iso))
    expect(
      ['2026-01-10T20:59:59Z', '2026-01-10T21:00:00Z', '2026-01-11T04:59:59Z', '2026-01-11T05:00:00Z'].map(open),
    ).toEqual([...[false, true, true, false]])
    expect(open('2026-07-10T20:00:00Z')).toBe(true)
    expect(isOpen(null, 'UTC', 0)).toBe(true)
  })

  it('that begins in the hour which the clock skips opens when the clock goes on', () => {
    const early = { from: 2 * 60 + 30, to: 4 * 60 }
    const opens = opensAt(early, 'Europe/Zurich', at('2026-03-29T00:00:00Z'))
    expect(new Date(opens).toISOString()).toBe('2026-03-29T01:00:00.000Z')
  })

  it('opens at the first minute at which it is open, whatever clocks do', () => {
    const zones = ['UTC', 'Europe/Zurich', 'America/New_York', 'Asia/Kolkata', 'Australia/Lord_Howe', 'America/Havana']
    const minute = fc.oneof(fc.nat(1439), fc.integer({ min: 60, max: 200 }))
    const near = fc
      .tuple(
        fc.constantFrom('2026-03-08', '2026-03-29', '2026-04-05', '2026-10-25', '2026-11-01', '2026-06-15'),
        fc.integer({ min: -1500, max: 1500 }),
      )
      .map(([day, minutes]) => at(`${day}T00:00:00Z`) + minutes * 60_000)
    fc.assert(
      fc.property(fc.constantFrom(...zones), minute, minute, near, fc.nat(59_999), (timezone, from, to, start, ms) => {
        fc.pre(from !== to)
        const window = { from, to }
        const format = new Intl.DateTimeFormat('sv-SE', { timeZone: timezone, timeStyle: 'short' })
        const open = (ms: number) => {
          const [hour = 0, minutes = 0] = format.format(ms).split(':').map(Number)
          const now = hour * 60 + minutes
          return from < to ? from <= now && now < to : from <= now || now < to
        }
        const now = start + ms
        expect(isOpen(window, timezone, now)).toBe(open(now))
        const opens = opensAt(window, timezone, now)
        let first = open(now) ? now : start + 60_000
        while (!open(first)) first += 60_000
        expect(new Date(opens).toISOString()).toBe(new Date(first).toISOString())
      }),
      { numRuns: 200 },
    )
  })
})
