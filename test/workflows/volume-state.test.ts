import { describe, expect, it } from 'vitest'
import type { Copy } from '../../targets/target.js'
import type { RunningArchive, VolumeState } from '../../workflows/messages.js'
import {
  addCopies,
  addHints,
  backoffMs,
  endArchive,
  freshState,
  holdLanes,
  isFinished,
  nextAlarm,
  nextTry,
  protectionOf,
  putBurstBack,
  putCopy,
  replaceCopies,
  ripeWants,
  takeBurst,
  trimPoints,
  wantLater,
} from '../../workflows/volume-state.js'

const known = (): VolumeState => ({ ...freshState(), rebuilding: [], policy: 'all' })
const archive = (targets: string[], slot = 's'): RunningArchive => ({
  ...{ archive: `archive/v/${slot}/1`, archiveId: 'a', slot, attempt: 1, events: ['volume.create.end'], targets },
  ...{ failures: 0, heartbeatSeconds: 5 },
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
    expect(nextAlarm(state)).toBeNull()
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
    expect(protectionOf(state)).toBe('failing')
    wantLater(state, ['a'], { slot: 'newer', events: [], reason: 'event', at: 2000 })
    expect(state.wants['a']).toMatchObject({ slot: 'newer', failures: 0 })
    expect(backoffMs(1)).toBeLessThan(backoffMs(3))
    expect(backoffMs(99)).toBe(backoffMs(5))
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
    expect(protectionOf(last)).toBe('failing')
    putCopy(last, copy('a', 2))
    expect(protectionOf(last)).toBe('protected')
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
    expect(nextAlarm(state)).toBe(60_100)
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
