import { describe, expect, it } from 'vitest'
import { groupEvent, scheduleEvent } from '../../workflows/messages.js'
import { addHints, endArchive, freeLane, holdLanes } from '../../workflows/volume-state.js'
import { isServed, ripeWants, wantLater } from '../../workflows/volume-wants.js'
import { archive, known } from './volume-samples.js'

describe('an archive that is wanted while a lane is busy', () => {
  it('is for all who asked since, the last of whom knew by which policy', () => {
    const state = known()
    const want = { slot: 's', reason: 'busy', at: 1, events: [scheduleEvent], lastPolicy: 'nightly' }
    wantLater(state, ['a'], want)
    const detached = { events: ['volume.detach.end', scheduleEvent], lastPolicy: 'servers' }
    wantLater(state, ['a'], { ...want, slot: 'later', at: 9, ...detached })
    // who protects it no longer does not make the detach forgotten
    wantLater(state, ['a'], { ...want, slot: 'last', at: 9, lastPolicy: null })
    const events = [scheduleEvent, 'volume.detach.end']
    expect(state.wants['a']).toEqual({ ...want, events, lastPolicy: 'servers', failures: 0, deferrals: 0 })
    expect(ripeWants(state, 5)).toMatchObject({ targets: ['a'], want: { events } })
  })

  it('overtakes a try that sleeps, for whose events it is as well', () => {
    const state = known()
    const want = { slot: 's', reason: 'failed', at: 99, events: ['volume.detach.end'], lastPolicy: 'nightly' }
    state.wants['a'] = { ...want, failures: 2, deferrals: 0 }
    wantLater(state, ['a'], { ...want, slot: 'later', at: 1, events: [scheduleEvent] })
    expect(state.wants['a']).toMatchObject({ slot: 'later', at: 1, failures: 0 })
    expect(state.wants['a'].events).toEqual(['volume.detach.end', scheduleEvent])
  })
})

describe('the archive that holds a lane', () => {
  it('is what an invitation or an earlier schedule asks for, and nothing else', () => {
    const state = known()
    const at = '2026-01-01T06:00:00Z'
    addHints(state, [{ messageId: 'n', event: scheduleEvent, nominal: { policy: 'nightly', at } }], 0)
    const [before, after] = [Date.parse(at) - 1, Date.parse(at)]
    const served = (events: string[], policy: string | null = 'nightly') => isServed(state, 'a', { events, policy })
    expect(served([groupEvent])).toBe(false)
    holdLanes(state, { ...archive(['a']), startedAt: before })
    expect([served([groupEvent]), served([groupEvent], null), served([scheduleEvent])]).toEqual([true, true, false])
    endArchive(state, archive(['a']), null, { now: 0, retry: false, failure: null })
    holdLanes(state, { ...archive(['a']), startedAt: after })
    expect([served([scheduleEvent]), served([scheduleEvent, groupEvent])]).toEqual([true, true])
    // its lane is free again, while it is read back
    freeLane(state, archive(['a']).archive, 'a')
    expect([served([scheduleEvent]), served([groupEvent])]).toEqual([true, false])
    expect(isServed(state, 'b', { events: [scheduleEvent], policy: 'nightly' })).toBe(false)
    expect([served([scheduleEvent], 'other'), served([scheduleEvent, 'volume.detach.end'])]).toEqual([false, false])
    endArchive(state, archive(['a']), null, { now: 0, retry: false, failure: null })
    // by an older version: when it was begun is not known
    holdLanes(state, archive(['a']))
    expect(served([scheduleEvent])).toBe(false)
  })
})
