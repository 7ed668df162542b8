import { describe, expect, it } from 'vitest'
import type { Copy } from '../../targets/target.js'
import type { RunningArchive, VolumeState } from '../../workflows/volume-memory.js'
import { reconcileEvent, scheduleEvent } from '../../workflows/messages.js'
import { overdueAt, protectionOf } from '../../workflows/protection.js'
import { addCopies, changeCopy, isFirstCopy, lastGood, putCopy, replaceCopies, trimPoints } from '../../workflows/volume-points.js'
import {
  addHints,
  backoffMs,
  completeState,
  dueAt,
  endArchive,
  freshState,
  holdLanes,
  isFinished,
  nextAlarm,
  nextTry,
  nextVerification,
  putBurstBack,
  ripeWants,
  settleMs,
  takeBurst,
  wantLater,
} from '../../workflows/volume-state.js'

const known = (): VolumeState => ({ ...freshState(), rebuilding: [], policy: 'all' })
const archive = (targets: string[], slot = 's'): RunningArchive => ({
  ...{ archive: `archive/v/${slot}/1`, archiveId: 'a', slot, attempt: 1, events: ['volume.create.end'], targets },
  ...{ failures: 0, deferrals: 0, heartbeatSeconds: 5 },
})
function copy(target: string, i: number, state: Copy['state'] = 'verified', padding = ''): Copy {
  const capturedAt = new Date(Date.UTC(2026, 0, 1) + i * 3_600_000).toISOString()
  return {
    ...{ target, kind: 'cinder-backup', point: `${capturedAt}-${i}`, archiveId: `a${i}`, archive: `archive/v/s${i}/1` },
    ...{
      slot: `s${i}`,
      group: null,
      volumeId: 'v',
      projectId: 'p',
      snapshotId: 'x',
      capturedAt,
      consistency: 'detached',
    },
    ...{ sizeBytes: 1, ref: {}, state, rootHash: null, verifiedAt: null, writtenBytes: null, storedBytes: null },
    ...{ basePoint: null, reason: padding },
  }
}

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

describe('the age of the last verified point', () => {
  const hour = 3_600_000
  const state = (): VolumeState => ({ ...known(), rpoSeconds: 2 * 3600, protectedSince: '2026-01-01T00:00:00Z' })
  const start = Date.UTC(2026, 0, 1)

  it('makes a volume overdue from the moment on at which it passes the RPO, and one timer rings then', () => {
    const its = state()
    putCopy(its, copy('a', 1))
    putCopy(its, copy('a', 2, 'damaged'))
    expect(overdueAt(its)).toBe(start + 3 * hour)
    expect(protectionOf(its, start + 3 * hour - 1)).toBe('failing')
    expect(nextAlarm(its, start + 3 * hour - 1)).toBe(start + 3 * hour)
    expect(protectionOf(its, start + 3 * hour)).toBe('overdue')
    expect(nextAlarm(its, start + 3 * hour)).toBeNull()
    putCopy(its, copy('a', 3))
    expect(protectionOf(its, start + 3 * hour)).toBe('protected')
  })

  it('is counted from the beginning of protection while there is none, and not without an RPO or a policy', () => {
    expect(protectionOf(state(), start + 2 * hour)).toBe('overdue')
    expect(overdueAt({ ...state(), rpoSeconds: null })).toBeNull()
    expect(overdueAt({ ...state(), protectedSince: null })).toBeNull()
  })

  it('is no news about a volume that is gone or not known yet', () => {
    expect(protectionOf({ ...state(), sourceGone: true }, start + 9 * hour)).toBe('source-gone')
    expect(protectionOf({ ...state(), rebuilding: ['a'] }, start + 9 * hour)).toBe('rebuilding')
  })
})

describe('the column due', () => {
  it('shows what comes first, a retry or the schedule’s next time, and never the moment of being overdue', () => {
    const state: VolumeState = { ...known(), rpoSeconds: 1, protectedSince: '2026-01-01T00:00:00Z' }
    expect(dueAt(state, 0)).toBeNull()
    state.nextAt = '2026-01-02T00:00:00Z'
    expect(dueAt(state, 0)).toBe(Date.UTC(2026, 0, 2))
    wantLater(state, ['a'], { slot: 's', events: [], reason: 'r', at: Date.UTC(2026, 0, 3) })
    expect(dueAt(state, 0)).toBe(Date.UTC(2026, 0, 2))
    expect(dueAt(state, Date.UTC(2026, 0, 2))).toBe(Date.UTC(2026, 0, 3))
  })
})

describe('points to be read back', () => {
  it('wait for the archive that makes them, and for no other', () => {
    const state = known()
    const asked = { id: '1', point: '2026-01-01T00:00:00Z-12345678', targets: null }
    state.verifications = [asked]
    holdLanes(state, { ...archive(['a']), archiveId: '12345678-6a0e-4b6a-9a51-2f3f6f1f0f01' })
    expect(nextVerification(state)).toBeUndefined()
    state.archives = []
    expect(nextVerification(state)).toBe(asked)
    expect(isFinished({ ...known(), policy: null, verifications: [asked] })).toBe(false)
  })

  it('make the volume failing when they turn out damaged, until a later point is verified', () => {
    const state = known()
    for (const i of [1, 2]) putCopy(state, copy('a', i))
    const found = Date.UTC(2026, 0, 1, 2, 30)
    changeCopy(state, copy('a', 1, 'damaged'), found)
    expect(protectionOf(state, found)).toBe('failing')
    putCopy(state, copy('a', 3))
    expect(protectionOf(state, found)).toBe('protected')
    changeCopy(state, copy('a', 3, 'damaged'), found)
    changeCopy(state, copy('a', 1, 'damaged'), found)
    expect(protectionOf(state, found)).toBe('failing')
  })

  it('and are as good as before when the same copy reads back after all', () => {
    const state = known()
    for (const i of [1, 2]) putCopy(state, copy('a', i))
    changeCopy(state, copy('a', 1, 'suspect'), Date.UTC(2026, 0, 2))
    changeCopy(state, copy('a', 2), Date.UTC(2026, 0, 2))
    expect(protectionOf(state, 0)).toBe('failing')
    changeCopy(state, copy('a', 1), Date.UTC(2026, 0, 2))
    expect(protectionOf(state, 0)).toBe('protected')
  })

  it('do not come back into the state when they had left it', () => {
    const state = { ...known(), trimmed: true }
    putCopy(state, copy('a', 2))
    changeCopy(state, copy('a', 1), 0)
    expect(state.points).toHaveLength(1)
    state.trimmed = false
    changeCopy(state, copy('a', 1), 0)
    expect(state.points).toHaveLength(2)
  })
})

describe('what assess is told', () => {
  it('is the newest point that is not damaged; of several targets, the one that is behind', () => {
    const state = known()
    expect(lastGood(state.points, null)).toBeNull()
    putCopy(state, copy('a', 1))
    putCopy(state, copy('b', 2, 'unverified'))
    putCopy(state, copy('a', 3, 'damaged'))
    expect(lastGood(state.points, null)?.capturedAt).toBe('2026-01-01T02:00:00.000Z')
    expect(lastGood(state.points, ['a', 'b'])?.capturedAt).toBe('2026-01-01T01:00:00.000Z')
    expect(lastGood(state.points, ['a', 'c'])).toBeNull()
  })

  it('knows a first copy', () => {
    const state = known()
    putCopy(state, copy('a', 1))
    expect(isFirstCopy(state.points, ['b'])).toBe(true)
    expect(isFirstCopy(state.points, ['a', 'b'])).toBe(false)
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

describe('points', () => {
  it('tell of no copy that was being written when its target was asked and that came to nothing', () => {
    const state = known()
    const its = { ...archive(['a', 'b']), archiveId: 'a1' }
    holdLanes(state, its)
    replaceCopies(state, 'a', [copy('a', 1, 'writing'), copy('a', 2)])
    replaceCopies(state, 'b', [copy('b', 1, 'writing')])
    const failure = { code: 'CK-BACKUP-FAILED', message: 'full' }
    const targets = ['a', 'b'].map((target) => ({ target, copy: null, failure }))
    const outcome = { archive: its.archive, archiveId: 'a1', slot: 's', capture: null, targets }
    endArchive(state, its, outcome, { now: 0, retry: true, failure: null })
    expect(state.points.map(({ archiveId }) => archiveId)).toEqual(['a2'])
  })

  it('are two when an archive was reset and captured again, and a verified copy outlives its twin', () => {
    const state = known()
    putCopy(state, copy('a', 1))
    putCopy(state, { ...copy('a', 1, 'damaged'), point: 'another', snapshotId: 'y', ref: { backupId: '2' } })
    expect(state.points).toHaveLength(2)
    putCopy(state, { ...copy('a', 1, 'damaged'), ref: { backupId: '3' } })
    expect(state.points.flatMap(({ copies }) => copies.map((one) => one.state)).sort()).toEqual(['damaged', 'verified'])
  })

  it('forget what a target does not hold any more', () => {
    const state = known()
    putCopy(state, copy('a', 1, 'writing'))
    putCopy(state, copy('b', 1))
    putCopy(state, copy('a', 2))
    replaceCopies(state, 'a', [copy('a', 3)])
    expect(state.points.map(({ archiveId, copies }) => [archiveId, ...copies.map(({ target }) => target)])).toEqual([
      ['a3', 'a'],
      ['a1', 'b'],
    ])
  })

  it('replace what was known of the same copy, newest point first', () => {
    const state = known()
    putCopy(state, copy('a', 1, 'writing'))
    putCopy(state, copy('a', 2))
    putCopy(state, copy('b', 1))
    putCopy(state, copy('a', 1))
    expect(state.points.map(({ archiveId, copies }) => [archiveId, copies.length])).toEqual([
      ['a2', 1],
      ['a1', 2],
    ])
    expect(state.points[1]?.copies.map(({ state }) => state)).toEqual(['verified', 'verified'])
  })

  it('leave the state when they grow too large, but never a target’s last verified one', () => {
    const state = known()
    putCopy(state, copy('tape', 0))
    for (let i = 1; i < 400; i++) putCopy(state, copy('a', i, i < 390 ? 'verified' : 'damaged', 'x'.repeat(300)))
    trimPoints(state)
    expect(state.trimmed).toBe(true)
    expect(JSON.stringify(state.points).length).toBeLessThanOrEqual(128 * 1024)
    const kept = state.points.map(({ archiveId }) => archiveId)
    expect(kept).toContain('a0')
    expect(kept).toContain('a389')
    expect(kept).toContain('a399')
    expect(kept).not.toContain('a1')
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
