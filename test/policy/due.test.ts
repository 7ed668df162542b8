import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { readCron } from '../../policy/cron.js'
import { lastNominal, nextNominal } from '../../policy/due.js'

const at = (iso: string) => Date.parse(iso)
const iso = (ms: number | null) => (ms === null ? null : new Date(ms).toISOString())
const next = (every: string, timezone: string, after: string) => iso(nextNominal({ every, timezone }, at(after)))
const last = (every: string, timezone: string, notAfter: string) => iso(lastNominal({ every, timezone }, at(notAfter)))

/** The clock on the wall by another way than the code's: what Swedish writes is what ISO writes. */
function shows(timezone: string) {
  const format = new Intl.DateTimeFormat('sv-SE', { timeZone: timezone, dateStyle: 'short', timeStyle: 'short' })
  return (ms: number) => {
    const [, year, month, day, hour, minute] = /(\d+)-(\d+)-(\d+) (\d+):(\d+)/.exec(format.format(ms)) ?? []
    const [y, m, d] = [Number(year), Number(month), Number(day)]
    return {
      month: m,
      dayOfMonth: d,
      hour: Number(hour),
      minute: Number(minute),
      dayOfWeek: new Date(Date.UTC(y, m - 1, d)).getUTCDay(),
    }
  }
}

describe('nextNominal and lastNominal', () => {
  it('take the clock of the time zone', () => {
    expect(next('0 2 * * *', 'Europe/Zurich', '2026-01-10T00:00:00Z')).toBe('2026-01-10T01:00:00.000Z')
    expect(next('0 2 * * *', 'Europe/Zurich', '2026-07-10T00:00:00Z')).toBe('2026-07-11T00:00:00.000Z')
    expect(last('0 */6 * * *', 'Asia/Kolkata', '2026-07-10T00:00:00Z')).toBe('2026-07-09T18:30:00.000Z')
  })

  it('next is after the instant, last may be the instant itself', () => {
    expect(next('0 2 * * *', 'UTC', '2026-01-10T02:00:00Z')).toBe('2026-01-11T02:00:00.000Z')
    expect(next('0 2 * * *', 'UTC', '2026-01-10T01:59:59.999Z')).toBe('2026-01-10T02:00:00.000Z')
    expect(last('0 2 * * *', 'UTC', '2026-01-10T02:00:00Z')).toBe('2026-01-10T02:00:00.000Z')
    expect(last('0 2 * * *', 'UTC', '2026-01-10T01:59:59.999Z')).toBe('2026-01-09T02:00:00.000Z')
  })

  it('leave out a time that the clock skips, and have one twice that it shows twice, as Temporal does', () => {
    const spring = '2026-03-28T12:00:00Z'
    expect(next('30 2 * * *', 'Europe/Zurich', spring)).toBe('2026-03-30T00:30:00.000Z')
    expect(next('30 2 * * *', 'Europe/Zurich', '2026-10-25T00:00:00Z')).toBe('2026-10-25T00:30:00.000Z')
    expect(next('30 2 * * *', 'Europe/Zurich', '2026-10-25T00:30:00Z')).toBe('2026-10-25T01:30:00.000Z')
    expect(last('30 2 * * *', 'Europe/Zurich', '2026-10-25T01:00:00Z')).toBe('2026-10-25T00:30:00.000Z')
    expect(last('30 2 * * *', 'Europe/Zurich', '2026-03-29T12:00:00Z')).toBe('2026-03-28T01:30:00.000Z')
    // once a week: the second showing of the same day is not jumped over
    expect(next('30 2 * * SUN', 'Europe/Zurich', '2026-10-25T00:30:00Z')).toBe('2026-10-25T01:30:00.000Z')
  })

  it('find a day that comes every four years, or none for eight', () => {
    expect(next('0 0 29 2 *', 'Europe/Zurich', '2026-11-25T00:00:00Z')).toBe('2028-02-28T23:00:00.000Z')
    expect(last('0 0 29 2 *', 'UTC', '2026-11-25T00:00:00Z')).toBe('2024-02-29T00:00:00.000Z')
    expect(next('0 0 29 2 *', 'UTC', '2096-03-01T00:00:00Z')).toBe('2104-02-29T00:00:00.000Z')
  })

  it('are the minutes at which the clock on the wall fits, and no others', () => {
    const zones = [
      'UTC',
      'Europe/Zurich',
      'America/New_York',
      'Asia/Kolkata',
      'Australia/Lord_Howe',
      'America/Havana',
      'Pacific/Apia',
    ]
    const field = (values: string[]) => fc.constantFrom('*', ...values)
    const crons = fc
      .tuple(
        fc.constantFrom('0', '30', '0,30', '*/20', '7-9'),
        field(['0', '1', '2', '3', '1-3', '*/6', '23']),
        field(['29', '1,15', '*/2']),
        field(['3', '10,11', '*/2']),
      )
      .map(([minute, hour, day, month]) => `${minute} ${hour} ${day} ${month} *`)
    const weekly = fc
      .tuple(fc.constantFrom('0', '15,45'), fc.constantFrom('0', '2', '*/4'), fc.constantFrom('SUN', '6', '1-5'))
      .map(([minute, hour, day]) => `${minute} ${hour} * * ${day}`)
    // around the days on which clocks are put, in some of the zones
    const near = fc
      .tuple(
        fc.constantFrom('2026-03-08', '2026-03-29', '2026-04-05', '2026-10-25', '2026-11-01', '2026-06-15'),
        fc.integer({ min: -2000, max: 2000 }),
      )
      .map(([day, minutes]) => at(`${day}T00:00:00Z`) + minutes * 60_000)
    fc.assert(
      fc.property(
        fc.constantFrom(...zones),
        fc.oneof(crons, weekly),
        near,
        fc.nat(59_999),
        (timezone, every, minute, ms) => {
          const fields = readCron(every)
          const wall = shows(timezone)
          const fits = (ms: number) =>
            Object.entries(wall(ms)).every(([key, value]) => fields[key as keyof typeof fields].includes(value))
          const now = minute + ms
          const days = 3 * 1440
          const after = Array.from({ length: days }, (_, step) => minute + (step + 1) * 60_000).find(fits)
          const before = Array.from({ length: days }, (_, step) => minute - step * 60_000).find(fits)
          const [found, known] = [nextNominal({ every, timezone }, now), lastNominal({ every, timezone }, now)]
          if (after === undefined)
            expect(found).toSatisfy((one: number | null) => one === null || one > minute + days * 60_000)
          else expect(iso(found)).toBe(iso(after))
          if (before === undefined)
            expect(known).toSatisfy((one: number | null) => one === null || one < minute - (days - 1) * 60_000)
          else expect(iso(known)).toBe(iso(before))
        },
      ),
      { numRuns: 150 },
    )
  })
})
