import { describe, expect, it } from 'vitest'
import type { Copy } from '../../targets/target.js'
import { reconcileEvent, scheduleEvent } from '../../workflows/messages.js'
import { protectionOf } from '../../workflows/protection.js'
import { backoffMs } from '../../workflows/retry-pause.js'
import { addCopies, putCopy } from '../../workflows/volume-points.js'
import {
  addHints,
  completeState,
  endArchive,
  holdLanes,
  isFinished,
  lastTaken,
  nextAlarm,
  nextTry,
  putBurstBack,
  settleMs,
  takeBurst,
} from '../../workflows/volume-state.js'
import { ripeWants, wantLater } from '../../workflows/volume-wants.js'
import type { VolumeState } from '../../workflows/volume-memory.js'
import { archive, copy, known } from './volume-samples.js'

describe('hints', () => {
  it('are remembered by message id, a bounded number of them', () => {
    const state = known()
    for (let i = 0; i < 1000; i++) addHints(state, [{ messageId: `m${i}`, event: 'volume.create.end' }], i)
    expect(state.seen).toHaveLength(256)
    expect(state.burst).toMatchObject({ slot: 'event:volume.create.end:m0', firstAt: 0, events: ['volume.create.end'] })
    state.burst = null
    addHints(state, [{ messageId: 'm999', event: 'volume.create.end' }], 5)
    expect(state.burst).toBeNull()
  })
})

describe('a schedule’s hints', () => {
  const hint = (hour: number, policy = 'nightly') => {
    const at = `2026-01-01T${String(hour).padStart(2, '0')}:00:00Z`
    return { messageId: `${policy}@${at}`, event: scheduleEvent, nominal: { policy, at } }
  }

  it('name their nominal time as the slot, and are told apart by policy', () => {
    const state = known()
    addHints(state, [hint(6)], 0)
    expect(state.burst?.slot).toBe('policy:nightly@2026-01-01T06:00:00Z')
    state.burst = null
    addHints(state, [hint(6, 'other')], 0)
    expect(state.burst).not.toBeNull()
    expect(state.lastNominal).toEqual({ nightly: '2026-01-01T06:00:00Z', other: '2026-01-01T06:00:00Z' })
  })

  it('have no effect when the same or a newer time was told before, whatever their ids are', () => {
    const state = known()
    addHints(state, [hint(6)], 0)
    state.burst = null
    addHints(state, [hint(5), { ...hint(6), messageId: 'told again' }], 0)
    expect(state.burst).toBeNull()
    addHints(state, [hint(7)], 0)
    expect(state.burst).not.toBeNull()
  })

  it('do not wait for more, alone or with those of reconcile; with a notification they do', () => {
    const state = known()
    addHints(state, [hint(6), { messageId: 'r', event: reconcileEvent }], 0)
    if (state.burst === null) throw new Error('there was a burst')
    expect(settleMs(state.burst, 30)).toBe(0)
    addHints(state, [{ messageId: 'n', event: 'volume.detach.end' }], 0)
    expect(settleMs(state.burst, 30)).toBe(30_000)
  })

  it('are tried again after a failure until the next one overtakes them', () => {
    const state = known()
    const first = { ...archive(['a', 'b'], 'policy:nightly@6'), events: [scheduleEvent] }
    holdLanes(state, first)
    endArchive(state, first, null, { now: 0, retry: true, failure: 'boom' })
    expect(state.wants['a']).toMatchObject({ slot: 'policy:nightly@6', events: [scheduleEvent], failures: 1 })
    holdLanes(state, archive(['a'], 'policy:nightly@7'))
    expect(Object.keys(state.wants)).toEqual(['b'])
    wantLater(state, ['b'], { slot: 'policy:nightly@7', events: [], reason: 'busy', at: 1 })
    expect(state.wants['b']).toMatchObject({ slot: 'policy:nightly@7', failures: 0 })
  })
})

describe('what somebody sends by hand', () => {
  it('is left out where it has not the shape of a hint or of a copy, and stops nothing', () => {
    const state = known()
    for (const hints of [
      undefined,
      null,
      {},
      'x',
      [null],
      [{}],
      [{ messageId: 7, event: 'x' }],
      [{ messageId: 'x' }],
    ]) {
      addHints(state, hints, 0)
    }
    expect(state).toEqual(known())
    for (const copies of [undefined, null, {}, [null], [{ target: 'a' }]]) addCopies(state, copies)
    expect(state).toEqual(known())
    addCopies(state, [copy('a', 1)])
    expect(state.points).toHaveLength(1)
  })
})

describe('lanes', () => {
  it('hold back wants until they are free, and no timer rings for a held lane', () => {
    const state = known()
    holdLanes(state, archive(['a']))
    wantLater(state, ['a', 'b'], { slot: 't', events: [], reason: 'r', at: 10 })
    expect(ripeWants(state, 20)?.targets).toEqual(['b'])
    delete state.wants['b']
    expect(nextAlarm(state, 0)).toBeNull()
  })

  it('give every archive of a slot its own number', () => {
    const state = known()
    holdLanes(state, archive(['a']))
    expect(nextTry(state, 's')).toBe(2)
    endArchive(state, archive(['a']), null, { now: 0, retry: true, failure: 'boom' })
    expect(nextTry(state, 's')).toBe(2)
    state.wants = {}
    holdLanes(state, archive(['b'], 'other'))
    endArchive(state, archive(['b'], 'other'), null, { now: 0, retry: false, failure: null })
    expect(state.tries).toEqual({})
  })

  it('stay with whoever took them over', () => {
    const state = known()
    holdLanes(state, archive(['a'], 'old'))
    state.running = { a: 'archive/v/new/1' }
    endArchive(state, archive(['a'], 'old'), null, { now: 0, retry: false, failure: null })
    expect(state.running).toEqual({ a: 'archive/v/new/1' })
  })
})

describe('failed archives', () => {
  it('are wanted again with growing patience, until something newer overtakes them', () => {
    const state = known()
    holdLanes(state, { ...archive(['a']), failures: 1 })
    endArchive(state, { ...archive(['a']), failures: 1 }, null, { now: 1000, retry: true, failure: 'boom' })
    expect(state.wants['a']).toMatchObject({ failures: 2, at: 1000 + backoffMs(2), reason: 'boom' })
    expect(protectionOf(state, 0)).toBe('failing')
    wantLater(state, ['a'], { slot: 'newer', events: [], reason: 'event', at: 2000 })
    expect(state.wants['a']).toMatchObject({ slot: 'newer', failures: 0 })
    expect(backoffMs(1)).toBeLessThan(backoffMs(3))
    expect(backoffMs(99)).toBe(backoffMs(5))
  })
})

describe('a copy that was written, but had no room to be read back', () => {
  it('is read back later, and not made once more', () => {
    const state = known()
    const its = archive(['a'])
    holdLanes(state, its)
    const outcome = { archive: its.archive, archiveId: 'a1', slot: 's', capture: null }
    const failure = { code: 'CK-CLOUD-QUOTA', message: 'no room' }
    const targets = [{ target: 'a', copy: copy('a', 1, 'unverified'), failure }]
    endArchive(state, its, { ...outcome, targets }, { now: 0, retry: true, failure: null })
    expect(state.wants).toEqual({})
    const [point] = state.points
    expect(state.verifications).toEqual([{ id: 'a1-a', point: point?.point, targets: ['a'], patient: true }])
  })
})

describe('archives that are put off', () => {
  const putOff = (code: string, slot = 's', before = { failures: 0, deferrals: 0 }) => {
    const state = known()
    const its = { ...archive(['a'], slot), ...before }
    holdLanes(state, its)
    const outcome = { archive: its.archive, archiveId: 'a', slot, capture: null }
    const failure = { code, message: `${code}  no room for a snapshot` }
    const targets = [{ target: 'a', copy: null, failure }]
    endArchive(state, its, { ...outcome, targets }, { now: 1000, retry: true, failure: null })
    return state
  }

  it.each(['CK-DEFERRED', 'CK-CLOUD-QUOTA'])(
    'for %s are wanted again with growing patience and fail nothing',
    (code) => {
      const state = putOff(code)
      expect(state.wants['a']).toMatchObject({ failures: 0, deferrals: 1, at: 1000 + backoffMs(1) })
      expect(state.wants['a']?.reason).toContain('no room')
      expect(protectionOf(state, 1000)).toBeNull()
      const later = putOff(code, 's', { failures: 0, deferrals: 2 })
      expect(later.wants['a']).toMatchObject({ failures: 0, deferrals: 3, at: 1000 + backoffMs(3) })
    },
  )

  it('come again by themselves also when a person asked for them; those that failed do not', () => {
    expect(putOff('CK-DEFERRED', 'manual:1').wants).toHaveProperty('a')
    expect(putOff('CK-BACKUP-FAILED', 'manual:1').wants).toEqual({})
  })

  it('stay failing when a try before failed', () => {
    expect(protectionOf(putOff('CK-DEFERRED', 's', { failures: 1, deferrals: 0 }), 0)).toBe('failing')
  })
})

describe('copies that did not come out well', () => {
  const ended = (copyState: Copy['state'], failures: number) => {
    const state = known()
    const its = { ...archive(['a']), failures }
    holdLanes(state, its)
    const outcome = { archive: its.archive, archiveId: 'a1', slot: 's', capture: null }
    const failure = { code: 'CK-X', message: 'why' }
    endArchive(
      state,
      its,
      { ...outcome, targets: [{ target: 'a', copy: copy('a', 1, copyState), failure }] },
      { now: 0, retry: true, failure: null },
    )
    return state
  }

  it('are not written again when they are whole and only could not be read back', () => {
    expect(ended('unverified', 0).wants).toEqual({})
  })

  it('are written again a few times when they are damaged, and the volume is failing until one is good', () => {
    expect(ended('damaged', 0).wants).toHaveProperty('a')
    const last = ended('damaged', 3)
    expect(last.wants).toEqual({})
    expect(protectionOf(last, 0)).toBe('failing')
    putCopy(last, copy('a', 2))
    expect(protectionOf(last, 0)).toBe('protected')
  })
})

describe('a burst that is looked at', () => {
  const hint = (messageId: string, event = 'volume.create.end') => ({ messageId, event })

  it('loses no hint that comes meanwhile, and keeps its name when it is put back', () => {
    const state = known()
    addHints(state, [hint('a', 'volume.update.end')], 0)
    const burst = takeBurst(state)
    addHints(state, [hint('b')], 5)
    expect(state.burst?.slot).toBe('event:volume.create.end:b')
    if (burst === null) throw new Error('there was a burst')
    putBurstBack(state, burst, 1000)
    expect(state.burst).toMatchObject({ slot: 'event:volume.update.end:a', firstAt: 0, dueAt: 1000 })
    expect(state.burst?.events).toEqual(['volume.update.end', 'volume.create.end'])
  })

  it('waits from its first hint on, however many follow', () => {
    const state = known()
    addHints(state, [hint('a')], 100)
    const burst = takeBurst(state)
    if (burst === null) throw new Error('there was a burst')
    putBurstBack(state, burst, 60_100)
    addHints(state, [hint('b')], 50_000)
    expect(state.burst).toMatchObject({ firstAt: 100, dueAt: 60_100 })
    expect(nextAlarm(state, 50_000)).toBe(60_100)
  })

  it('is looked at at once when something new happens, after it could not be assessed', () => {
    const state = known()
    addHints(state, [hint('a')], 0)
    const burst = takeBurst(state)
    if (burst === null) throw new Error('there was a burst')
    putBurstBack(state, { ...burst, failures: 4 }, 10_000_000)
    addHints(state, [hint('b', 'volume.detach.end')], 500)
    expect(state.burst?.dueAt).toBe(500)
  })
})

describe('a burst that waits for its window', () => {
  it('waits through the time that it settled, and is looked at at once when something else happens', () => {
    const state = known()
    addHints(state, [{ messageId: 'a', event: 'volume.detach.end' }], 0)
    const burst = takeBurst(state)
    if (burst === null) throw new Error('there was a burst')
    putBurstBack(state, { ...burst, waitsForWindow: true }, 10_000_000)
    expect(state.burst?.dueAt).toBe(10_000_000)
    expect(protectionOf(state, 0)).toBeNull()
    addHints(state, [{ messageId: 'b', event: 'volume.delete.end' }], 500)
    expect(state.burst?.dueAt).toBe(500)
  })
})

describe('state of an older version', () => {
  it('is filled with what it lacks, and keeps what it has', () => {
    const state = known()
    holdLanes(state, archive(['a']))
    wantLater(state, ['b'], { slot: 's', events: [], reason: 'r', at: 10 })
    addHints(state, [{ messageId: 'm', event: 'volume.create.end' }], 0)
    const missing = ['verifications', 'foundBad', 'rpoSeconds', 'nextAt', 'protectedSince', 'lastNominal']
    const text = JSON.stringify(state, (key, value: unknown) =>
      [...missing, 'deferrals', 'waitsForWindow'].includes(key) ? undefined : value,
    )
    expect(completeState(JSON.parse(text) as VolumeState)).toEqual(state)
    expect(completeState({ ...state, policy: 'other' }).policy).toBe('other')
  })
})

describe('the end', () => {
  it('comes only when there are neither points nor a policy nor anything to do', () => {
    expect(isFinished(known())).toBe(false)
    expect(isFinished({ ...known(), policy: null })).toBe(true)
    expect(isFinished({ ...known(), policy: null, rebuilding: ['a'] })).toBe(false)
    expect(isFinished({ ...known(), policy: null, rebuilding: null })).toBe(false)
    expect(isFinished({ ...known(), policy: null, leftovers: [archive(['a'])] })).toBe(false)
    const state = { ...known(), policy: null }
    putCopy(state, copy('a', 1, 'damaged'))
    expect(isFinished(state)).toBe(false)
  })
})

describe('since when reconcile asks what was missed', () => {
  const retry = { now: Date.UTC(2026, 1, 1), retry: false, failure: null }

  it('is the cancellation of what it would ask for again, but not of what a person had asked for', () => {
    const state = known()
    endArchive(state, archive(['a'], 'manual:x'), null, { ...retry, isCancelled: true })
    expect(lastTaken(state, 0)).toBeNull()
    endArchive(state, archive(['a']), null, { ...retry, isCancelled: true })
    expect(lastTaken(state, 0)?.capturedAt).toBe('2026-02-01T00:00:00.000Z')
    putCopy(state, copy('a', 10_000))
    expect(lastTaken(state, 0)?.capturedAt).toBe(copy('a', 10_000).capturedAt)
  })

  it('is the last good point, unless what came after it was damaged as often as a slot is tried', () => {
    const state = known()
    putCopy(state, copy('a', 1))
    for (const i of [2, 3, 4]) putCopy(state, copy('a', i, 'damaged'))
    expect(lastTaken(state, 0)?.capturedAt).toBe(copy('a', 1).capturedAt)
    putCopy(state, copy('a', 5, 'damaged'))
    expect(lastTaken(state, 0)?.capturedAt).toBe(copy('a', 5).capturedAt)
  })

  it('is now while an archive runs that has no point yet: it may only be reading back what it wrote', () => {
    const state = known()
    putCopy(state, copy('a', 1))
    state.archives = [archive(['a'])]
    expect(lastTaken(state, 5000)?.capturedAt).toBe(new Date(5000).toISOString())
    // one that cannot end, because its snapshot cannot be removed, has told of its point
    state.archives = [{ ...archive(['a']), archiveId: 'a1' }]
    expect(lastTaken(state, 5000)?.capturedAt).toBe(copy('a', 1).capturedAt)
  })
})
