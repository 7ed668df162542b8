import { describe, expect, it } from 'vitest'
import { dueOf, timesOf } from '../../policy/due-of.js'
import { planPolicies } from '../../policy/plan.js'
import { installation, policy, volumeFacts } from './volume-facts.js'

const now = Date.parse('2026-11-25T12:34:00Z')

describe('timesOf', () => {
  it('tells the last and next nominal time, and when a closed window opens', () => {
    const six = policy('six', { every: '0 */6 * * *', timezone: 'Europe/Zurich', window: { from: 1320, to: 360 } })
    expect(timesOf(six, now)).toEqual({
      ...{
        lastAt: '2026-11-25T11:00:00.000Z',
        nextAt: '2026-11-25T17:00:00.000Z',
        opensAt: '2026-11-25T21:00:00.000Z',
      },
      warnings: [
        'Its window is closed at the next time of `every`: what is due then waits until 2026-11-25T21:00:00Z.',
      ],
    })
    expect(timesOf(policy('events'), now)).toEqual({ lastAt: null, nextAt: null, opensAt: null, warnings: [] })
  })

  it('warns of an rpo that the schedule cannot keep', () => {
    const warnings = (rpoSeconds: number) => timesOf(policy('six', { every: '0 */6 * * *', rpoSeconds }), now).warnings
    expect(warnings(4 * 3600)).toEqual([
      'Its rpo (4h) is less than the 6h between two of its times: it will be overdue.',
    ])
    expect(warnings(6 * 3600)).toEqual([])
  })
})

describe('dueOf', () => {
  it('says why something is due already, and whether the rpo is exceeded', () => {
    const six = policy('six', { on: [], every: '0 */6 * * *', rpoSeconds: 3600 })
    const verified = (capturedAt: string) => dueOf(six, volumeFacts(), { capturedAt, consistency: 'crash' }, now)
    expect(verified('2026-11-25T12:00:10Z')).toEqual({ now: null, overdue: false })
    expect(verified('2026-11-25T11:59:00Z').now).toMatch(/older than 2026-11-25T12:00:00Z/)
    expect(verified('2026-11-25T11:33:59Z').overdue).toBe(true)
    expect(dueOf(six, volumeFacts({ createdAt: '2026-11-25T12:30:00Z' }), null, now)).toEqual({
      now: null,
      overdue: false,
    })
    expect(dueOf({ ...six, rpoSeconds: null }, volumeFacts(), null, now).overdue).toBe(false)
  })
})

describe('planPolicies', () => {
  const warnings = (change: Parameters<typeof policy>[1]) =>
    planPolicies([volumeFacts()], [policy('p', change)], installation).policies[0]?.warnings.join(' ')

  it('warns of a policy that nothing ever asks, but not of one that has a schedule', () => {
    expect(warnings({ on: [] })).toMatch(/only `cinderkeep archive` makes an archive/)
    expect(warnings({ on: [], every: '0 0 * * *' })).not.toMatch(/only `cinderkeep archive`/)
  })

  it('warns of a policy for servers that shall archive after a detach', () => {
    const where = { server: ['db-*'] }
    expect(warnings({ where, on: ['volume.detach.end'] })).toMatch(/after a detach it protects/)
    expect(warnings({ where, on: ['volume.update.end'] })).not.toMatch(/after a detach it protects/)
  })
})
