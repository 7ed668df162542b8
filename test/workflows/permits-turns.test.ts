import { describe, expect, it } from 'vitest'
import type { PermitRequest } from '../../workflows/permit-messages.js'
import {
  adopt,
  ask,
  carry,
  freshPermits,
  give,
  grantAll,
  patienceMs,
  pauseScope,
  reasonsFor,
  resumeScope,
  statusOf,
} from '../../workflows/permits-state.js'
import { askAll, names, pause, request } from './permit-requests.js'

describe('whose turn it is', () => {
  it('is that of the project that holds the fewest, even if it was served later', () => {
    const state = freshPermits()
    const scopes = { all: 2 }
    askAll(state, request({ scopes }), request({ project: 'q', scopes }))
    const [, second] = grantAll(state, 0)
    give(state, second?.archive ?? '')
    askAll(state, request({ scopes }), request({ project: 'q', scopes, since: 1 }))
    expect(grantAll(state, 0).map(({ project }) => project)).toEqual(['q'])
  })

  it('is that of the oldest request of a project', () => {
    const state = freshPermits()
    const [, older] = askAll(state, request({ since: 2 }), request({ since: 1 }))
    expect(names(grantAll(state, 2))).toEqual([older?.archive])
  })
})

it('lets 20 projects take turns through a backlog that is longer than patience', () => {
  const state = freshPermits()
  const minute = 60_000
  for (let i = 0; i < 400; i += 1) {
    const scopes = { 'target:a': 8, ...(i % 2 === 0 && { 'policy:gold': 4 }) }
    ask(state, request({ project: `p${Math.floor(i / 20)}`, since: i * 1000, scopes }))
  }
  const begun = new Map(Array.from({ length: 20 }, (_, i) => [`p${i}`, 0]))
  const ends: { at: number; archive: string }[] = []
  let widest = 0
  for (let now = 10 * minute; state.waiting.length > 0; now = ends[0]?.at ?? now) {
    for (const { archive } of ends.splice(0, 1)) give(state, archive)
    for (const { archive, project } of grantAll(state, now)) {
      begun.set(project, (begun.get(project) ?? 0) + 1)
      widest = Math.max(widest, Math.max(...begun.values()) - Math.min(...begun.values()))
      // they take between half a minute and two, as if by chance
      ends.push({ at: now + minute * (0.5 + ((state.grants * 7) % 16) / 10), archive })
    }
    ends.sort((a, b) => a.at - b.at)
  }
  expect(widest).toBeLessThanOrEqual(3)
})

describe('first copies', () => {
  const scopes = { 'target:a': 4 }
  const many = (first: boolean) => Array.from({ length: 10 }, () => request({ first, scopes }))

  it('share a scope with others, half and half', () => {
    const state = freshPermits()
    askAll(state, ...many(true), ...many(false))
    expect(grantAll(state, 0).map(({ first }) => first)).toEqual([true, true, false, false])
    // what others give back goes to others
    give(state, state.holders.find(({ first }) => !first)?.archive ?? '')
    expect(grantAll(state, 0).map(({ first }) => first)).toEqual([false])
  })

  it('may use all of it while nobody else waits, and the reverse', () => {
    for (const first of [true, false]) {
      const state = freshPermits()
      askAll(state, ...many(first))
      expect(grantAll(state, 0)).toHaveLength(4)
    }
  })

  it('leave nothing idle where both have their share, of one scope each', () => {
    const state = freshPermits()
    const both = { 'target:a': 2, 'target:b': 2 }
    askAll(state, request({ first: true, scopes: { 'target:a': 2 } }), request({ scopes: { 'target:b': 2 } }))
    expect(grantAll(state, 0)).toHaveLength(2)
    askAll(state, request({ first: true, scopes: both }), request({ scopes: both }))
    expect(grantAll(state, 0)).toHaveLength(1)
  })

  it('leave nothing idle where a limit is odd, or one', () => {
    for (const limit of [1, 3]) {
      const state = freshPermits()
      for (const first of [true, false, true, false, true, false])
        ask(state, request({ first, scopes: { 'target:a': limit } }))
      expect(grantAll(state, 0)).toHaveLength(limit)
    }
  })
})

describe('patience', () => {
  /** One holds a, one holds b; one wants both, and a crowd wants a alone. */
  function crowded() {
    const [a, b] = [{ 'target:a': 1 }, { 'target:b': 1 }]
    const state = freshPermits()
    const [holdsA, holdsB] = askAll(state, request({ scopes: a, project: 'x' }), request({ scopes: b, project: 'y' }))
    grantAll(state, 0)
    const [both] = askAll(state, request({ project: 'z', scopes: { ...a, ...b } }))
    askAll(state, ...Array.from({ length: 5 }, (_, i) => request({ scopes: a, project: `q${i}`, since: 1 })))
    return { state, both, holdsA: holdsA?.archive ?? '', holdsB: holdsB?.archive ?? '' }
  }

  it('does not keep anything for a request that is young', () => {
    const { state, holdsA } = crowded()
    give(state, holdsA)
    expect(grantAll(state, patienceMs - 1).map(({ project }) => project)).toEqual(['q0'])
  })

  it('keeps what an old request needs until it has all of it', () => {
    const { state, both, holdsA, holdsB } = crowded()
    give(state, holdsA)
    expect(grantAll(state, patienceMs)).toEqual([])
    give(state, holdsB)
    expect(names(grantAll(state, patienceMs))).toEqual([both?.archive])
  })

  it('keeps one place, however many wait for the same scope', () => {
    const state = freshPermits()
    const [all, b] = [{ all: 3 }, { 'target:b': 1 }]
    ask(state, request({ project: 'y', scopes: b }))
    grantAll(state, 0)
    askAll(state, ...[1, 2, 3].map((since) => request({ project: 'z', since, scopes: { ...all, ...b } })))
    askAll(state, ...[1, 2, 3, 4].map((i) => request({ project: `q${i}`, since: patienceMs, scopes: all })))
    const granted = grantAll(state, patienceMs + 5)
    expect(granted.map(({ project }) => project)).toEqual(['q1', 'q2'])
    give(state, granted[0]?.archive ?? '')
    expect(grantAll(state, patienceMs + 5).map(({ project }) => project)).toEqual(['q3'])
  })

  it('keeps nothing that comes free together with what is waited for', () => {
    const state = freshPermits()
    const [all, b] = [{ all: 2 }, { 'target:b': 1 }]
    ask(state, request({ project: 'y', scopes: { ...all, ...b } }))
    grantAll(state, 0)
    askAll(state, request({ project: 'z', scopes: { ...all, ...b } }), request({ project: 'q', scopes: all }))
    expect(grantAll(state, patienceMs).map(({ project }) => project)).toEqual(['q'])
  })

  it('keeps nothing for an old request while one of its scopes is paused', () => {
    const { state, holdsA } = crowded()
    give(state, holdsA)
    grantAll(state, patienceMs)
    pauseScope(state, 'target:b', pause, 0)
    expect(grantAll(state, patienceMs).map(({ project }) => project)).toEqual(['q0'])
  })
})

describe('asking', () => {
  it('twice is asking once, also when it was granted already', () => {
    const state = freshPermits()
    const [one] = askAll(state, request())
    if (one === undefined) throw new Error('one was asked')
    expect(ask(state, one)).toBe('waits')
    expect(grantAll(state, 0)).toHaveLength(1)
    expect(ask(state, one)).toMatchObject({ archive: one.archive })
    expect(state).toMatchObject({ waiting: [], holders: [{ archive: one.archive }] })
  })

  it('tells a new limit, and asking again does not bring back an old one', () => {
    const state = freshPermits()
    const [old] = askAll(state, request({ scopes: { all: 1 } }), request({ scopes: { all: 1 } }))
    ask(state, request({ scopes: { all: 3 } }))
    if (old !== undefined) ask(state, old)
    expect(grantAll(state, 0)).toHaveLength(3)
  })

  it('is what those do who were taken for holders, and wait', () => {
    const state = freshPermits()
    const [holds, waits] = [request(), request({ project: 'q' })]
    const memo = ({ archive, project, first, permits }: PermitRequest) => ({ archive, project, first, permits })
    adopt(state, [memo(holds), memo(waits)], 0)
    expect(state.holders).toHaveLength(2)
    ask(state, waits)
    expect(grantAll(state, 0)).toEqual([])
    give(state, holds.archive)
    expect(names(grantAll(state, 0))).toEqual([waits.archive])
  })
})

describe('what people read', () => {
  it('says why somebody waits: who paused it, what is full, how many come before', () => {
    const state = freshPermits()
    const scopes = { all: 1, 'target:a': null }
    const [, second, third] = askAll(state, ...[0, 1, 2].map((since) => request({ since, scopes })))
    grantAll(state, 0)
    pauseScope(state, 'target:a', pause, 0)
    expect(reasonsFor(state, third?.archive ?? '')).toEqual([
      'target:a is paused by ann since 2026-11-25T02:00:00Z: new disks',
      'all is used by 1 of at most 1',
      '1 of 2 that wait are before it',
    ])
    expect(reasonsFor(state, 'nobody')).toEqual([])
    expect(statusOf(state, 1)).toMatchObject({ waitingInAll: 2, waiting: [{ archive: second?.archive }] })
  })

  it('remembers who paused first', () => {
    const state = freshPermits()
    expect(pauseScope(state, 'all', pause, 0)).toBe(true)
    expect(pauseScope(state, 'all', { ...pause, by: 'bob' }, 0)).toBe(false)
    expect(state.paused['all']?.by).toBe('ann')
    expect([resumeScope(state, 'all', 0), resumeScope(state, 'all', 0)]).toEqual([true, false])
  })

  it('what travels to the next run is bounded, and holds who waits longest', () => {
    const state = freshPermits()
    askAll(state, ...Array.from({ length: 3000 }, (_, i) => request({ since: 3000 - i, project: `p${i}` })))
    grantAll(state, 0)
    const next = carry(state)
    expect(next.waiting).toHaveLength(2000)
    expect(Math.max(...next.waiting.map(({ since }) => since))).toBeLessThan(2003)
    expect(JSON.stringify(next).length).toBeLessThan(2 ** 20)
    expect(next.holders).toEqual(state.holders)
  })

  it('holders without whom a limit would not hold travel first', () => {
    const state = freshPermits()
    askAll(state, ...Array.from({ length: 3100 }, () => request({ scopes: { all: null } })))
    askAll(state, ...Array.from({ length: 10 }, () => request({ scopes: { 'target:a': 10 } })))
    // as if all of them had been granted
    const granted = state.waiting.map((one) => ({ ...one, grantedAt: 0, presumed: false }))
    const { holders } = carry({ ...state, holders: granted, waiting: [] })
    expect(holders).toHaveLength(3000)
    expect(holders.filter(({ permits }) => permits.some(({ scope }) => scope === 'target:a'))).toHaveLength(10)
  })

  it('no more are given at once than can be told', () => {
    const state = freshPermits()
    askAll(state, ...Array.from({ length: 5 }, () => request({ scopes: { all: null } })))
    expect(grantAll(state, 0, 0)).toHaveLength(0)
    expect(grantAll(state, 0, 2)).toHaveLength(2)
    expect(grantAll(state, 0)).toHaveLength(3)
  })
})
