import { describe, expect, it } from 'vitest'
import { overdueAt, protectionOf } from '../../workflows/protection.js'
import { changeCopy, putCopy } from '../../workflows/volume-points.js'
import { dueAt, holdLanes, isFinished, nextAlarm, nextVerification } from '../../workflows/volume-state.js'
import { wantLater } from '../../workflows/volume-wants.js'
import type { VolumeState } from '../../workflows/volume-memory.js'
import { archive, copy, known } from './volume-samples.js'

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

  it('are no news when an archive tells of them again, long after they were found', () => {
    const state = known()
    const hour = (i: number): string => new Date(Date.UTC(2026, 0, 1, i)).toISOString()
    const suspects = [1, 2].map((i) => ({ ...copy('a', i, 'suspect'), suspectSince: hour(3) }))
    for (const i of [1, 2]) putCopy(state, copy('a', i))
    // with the archive that found it: what that captured, it captured before
    for (const told of suspects) changeCopy(state, told, Date.UTC(2026, 0, 1, 4))
    putCopy(state, copy('a', 3))
    expect(protectionOf(state, 0)).toBe('failing')
    // also when they have left the state
    for (const trimmed of [false, true]) {
      if (trimmed) state.points = state.points.filter(({ capturedAt }) => capturedAt > hour(2))
      state.trimmed = trimmed
      for (const told of suspects) changeCopy(state, told, Date.UTC(2026, 0, 1, 8))
      putCopy(state, copy('a', 4))
      expect(protectionOf(state, 0)).toBe('protected')
    }
  })

  it('and are no news when they are read back again', () => {
    const state = known()
    for (const i of [1, 3]) putCopy(state, copy('a', i))
    changeCopy(state, copy('a', 1, 'damaged'), Date.UTC(2026, 0, 1, 2))
    changeCopy(state, copy('a', 1, 'damaged'), Date.UTC(2026, 0, 1, 8))
    expect(protectionOf(state, 0)).toBe('protected')
    // nor do they hide what was found later
    changeCopy(state, copy('a', 2, 'damaged'), Date.UTC(2026, 0, 1, 9))
    changeCopy(state, { ...copy('a', 0, 'suspect'), suspectSince: new Date(0).toISOString() }, Date.UTC(2026, 0, 1, 9))
    expect(protectionOf(state, 0)).toBe('failing')
  })

  it('and are news when one that was suspected turns out damaged', () => {
    const state = known()
    for (const i of [1, 3]) putCopy(state, copy('a', i))
    changeCopy(state, copy('a', 1, 'suspect'), Date.UTC(2026, 0, 1, 2))
    expect(protectionOf(state, 0)).toBe('protected')
    changeCopy(state, copy('a', 1, 'damaged'), Date.UTC(2026, 0, 1, 4))
    expect(protectionOf(state, 0)).toBe('failing')
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
