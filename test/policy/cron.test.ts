import { describe, expect, it } from 'vitest'
import { CronFault, readCron } from '../../policy/cron.js'

function faultOf(every: string): string {
  try {
    readCron(every)
    return ''
  } catch (error) {
    if (!(error instanceof CronFault)) throw error
    return error.message
  }
}

describe('readCron', () => {
  it('reads values, lists, ranges, steps and names as Temporal does', () => {
    const { minute, hour, dayOfMonth, month, dayOfWeek } = readCron('5,35-37 */6 * jan-MAR,12 mon-Friday/2')
    expect({ minute, hour, month, dayOfWeek }).toEqual({
      minute: [5, 35, 36, 37],
      hour: [0, 6, 12, 18],
      month: [1, 2, 3, 12],
      dayOfWeek: [1, 3, 5],
    })
    expect(dayOfMonth).toHaveLength(31)
    expect(readCron('50/3 22/1 10/10 * *')).toMatchObject({
      minute: [50, 53, 56, 59],
      hour: [22, 23],
      dayOfMonth: [10, 20, 30],
    })
  })

  it('takes 7 for Sunday, also at the end of a range', () => {
    expect(readCron('0 0 * * 7').dayOfWeek).toEqual([0])
    expect(readCron('0 0 * * 5-7').dayOfWeek).toEqual([0, 5, 6])
    expect(readCron('0 0 * * */2').dayOfWeek).toEqual([0, 2, 4, 6])
  })

  it('refuses what cron and Temporal read differently: a day of the month with a day of the week', () => {
    expect(faultOf('0 0 1 * MON')).toMatch(/cron would take either, Temporal takes only days that are both/)
    expect(faultOf('0 0 1-31 * 1')).toMatch(/leave one of them `\*`/)
    expect(faultOf('0 0 1 * *')).toBe('')
    expect(faultOf('0 0 * * 1')).toBe('')
  })

  it('refuses macros, seconds, years, and what never comes', () => {
    expect(faultOf('@daily')).toMatch(/write it as five fields/)
    expect(faultOf('0 0 0 * * *')).toMatch(/seconds and years cannot be given/)
    expect(faultOf('0 0 * *')).toMatch(/expected five fields .*not 4/)
    expect(faultOf('TZ=UTC 0 0 * * *')).not.toBe('')
    expect(faultOf('0 0 30 2 *')).toBe('can never come: no such month has a day 30')
    expect(faultOf('0 0 31 4,6,9,11 *')).toMatch(/can never come/)
    expect(faultOf('0 0 29 2 *')).toBe('')
  })

  it('names the field that is wrong', () => {
    expect(faultOf('60 * * * *')).toMatch(/^the minute "60" is not of 0–59/)
    expect(faultOf('* 24 * * *')).toMatch(/^the hour "24"/)
    expect(faultOf('* * 0 * *')).toMatch(/^the day of the month "0"/)
    expect(faultOf('* * * foo *')).toMatch(/^the month "foo" is not of 1–12 or JAN–DEC/)
    expect(faultOf('* * * * 8')).toMatch(/^the day of the week "8" is not of 0–7 or SUN–SAT/)
    expect(faultOf('30-10 * * * *')).toBe('the minute "30-10" ends before it begins')
    expect(faultOf('*/0 * * * *')).toMatch(/no step that is a whole number above 0/)
    for (const text of [
      '1- * * * *',
      '1-2-3 * * * *',
      '1/2/3 * * * *',
      ', * * * *',
      '? * * * *',
      'L * * * *',
      '-1 * * * *',
    ])
      expect(faultOf(text)).toMatch(/^the minute /)
  })
})
