import { describe, expect, it } from 'vitest'
import {
  addCopies,
  changeCopy,
  isFirstCopy,
  lastGood,
  putCopy,
  replaceCopies,
  trimPoints,
} from '../../workflows/volume-points.js'
import { endArchive, holdLanes } from '../../workflows/volume-state.js'
import { archive, copy, known } from './volume-samples.js'

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

  it.each(['suspect', 'damaged'] as const)('keep a copy %s that its archive ends with as verified later', (found) => {
    const state = known()
    const its = { ...archive(['a', 'b']), archiveId: 'a1' }
    holdLanes(state, its)
    addCopies(state, [copy('a', 1, 'unverified')])
    addCopies(state, [copy('a', 1)])
    changeCopy(state, copy('a', 1, found), 0)
    addCopies(state, [copy('a', 1)])
    const targets = [{ target: 'a', copy: copy('a', 1), failure: null }]
    const outcome = { archive: its.archive, archiveId: 'a1', slot: 's', capture: null, targets }
    endArchive(state, its, outcome, { now: 0, retry: true, failure: null })
    expect(state.points[0]?.copies.map((one) => one.state)).toEqual([found])
    // another copy of the same capture is none of that, and whoever looked again is believed
    addCopies(state, [{ ...copy('a', 1), ref: { backupId: 'anew' } }])
    expect(state.points[0]?.copies.map((one) => one.state)).toEqual(['verified'])
    changeCopy(state, copy('a', 1, found), 0)
    changeCopy(state, copy('a', 1), 0)
    expect(state.points[0]?.copies.map((one) => one.state)).toEqual(['verified'])
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
