import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { PermitWanted } from '../../workflows/messages.js'
import type { PermitRequest } from '../../workflows/permit-messages.js'
import type { PermitsState } from '../../workflows/permits-state.js'
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

const pause = { by: 'ann', reason: 'new disks', at: '2026-11-25T02:00:00Z' }
let counter = 0
function request(change: Partial<PermitRequest> & { scopes?: Record<string, number | null> } = {}): PermitRequest {
  const { scopes = { all: 1 }, ...rest } = change
  const permits = Object.entries(scopes).map(([scope, limit]) => ({ scope, limit }))
  return { archive: `a${++counter}`, project: 'p', first: false, since: 0, permits, ...rest }
}
const askAll = (state: PermitsState, ...requests: PermitRequest[]) => {
  for (const one of requests) ask(state, one)
  return requests
}
const names = (granted: { archive: string }[]) => granted.map(({ archive }) => archive)
const uses = ({ permits }: { permits: PermitWanted[] }, scope: string) => permits.some((one) => one.scope === scope)

const limits: Record<string, number | null> = { all: 5, 'target:a': 2, 'target:b': 1, 'backend:x': 3, 'policy:y': null }
const scopesOf = fc.subarray(Object.keys(limits), { minLength: 1 })
type Step =
  | { do: 'ask'; project: string; first: boolean; scopes: string[] }
  | { do: 'give'; which: number }
  | { do: 'pause' | 'resume'; scope: string }
  | { do: 'wait'; minutes: number }
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('ask' as const),
      project: fc.constantFrom('p', 'q', 'r', 's'),
      first: fc.boolean(),
      scopes: scopesOf,
    }),
  },
  { weight: 5, arbitrary: fc.record({ do: fc.constant('give' as const), which: fc.nat(20) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constantFrom('pause' as const, 'resume' as const),
      scope: fc.constantFrom(...Object.keys(limits)),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('wait' as const), minutes: fc.nat(20) }) },
)

/** Plays what may happen; `look` sees the state after each step, and what that step granted. */
function play(steps: Step[], look: (state: PermitsState, granted: ReturnType<typeof grantAll>, now: number) => void) {
  const state = freshPermits()
  let now = 0
  for (const one of steps) {
    now += 1000
    if (one.do === 'wait') now += one.minutes * 60_000
    if (one.do === 'ask') {
      const scopes = Object.fromEntries(one.scopes.map((scope) => [scope, limits[scope] ?? null]))
      ask(state, request({ project: one.project, first: one.first, since: now, scopes }))
    }
    if (one.do === 'give') give(state, state.holders[one.which % Math.max(state.holders.length, 1)]?.archive ?? '')
    if (one.do === 'pause') pauseScope(state, one.scope, pause, now)
    if (one.do === 'resume') resumeScope(state, one.scope, now)
    look(state, grantAll(state, now), now)
  }
}

const full = (state: PermitsState, scope: string) => {
  const limit = limits[scope] ?? null
  return limit !== null && state.holders.filter((one) => uses(one, scope)).length >= limit
}

describe('whatever happens', () => {
  const steps = fc.array(step, { minLength: 5, maxLength: 80 })

  it('no scope is ever used by more than its limit', () => {
    fc.assert(
      fc.property(steps, (given) => {
        play(given, ({ holders }) => {
          for (const [scope, limit] of Object.entries(limits)) {
            if (limit === null) continue
            expect(holders.filter((one) => uses(one, scope)).length).toBeLessThanOrEqual(limit)
          }
        })
      }),
    )
  })

  it('nobody is ever granted a scope that is paused', () => {
    fc.assert(
      fc.property(steps, (given) => {
        play(given, ({ paused }, granted) => {
          for (const scope of Object.keys(paused)) expect(granted.some((one) => uses(one, scope))).toBe(false)
        })
      }),
    )
  })

  it('nothing that somebody could use lies idle, but what is kept for those whose patience is at its end', () => {
    fc.assert(
      fc.property(steps, (given) => {
        play(given, (state) => {
          const kept = state.waiting.filter(({ reserves }) => reserves)
          for (const one of state.waiting) {
            const scopes = one.permits.map(({ scope }) => scope)
            const hindered = scopes.some(
              (scope) =>
                full(state, scope) || state.paused[scope] !== undefined || kept.some((other) => uses(other, scope)),
            )
            expect(hindered).toBe(true)
          }
        })
      }),
    )
  })

  it('something is kept only for who waited beyond patience, and for one at most for each scope that is full', () => {
    fc.assert(
      fc.property(steps, (given) => {
        play(given, (state, _, now) => {
          const kept = state.waiting.filter(({ reserves }) => reserves)
          for (const { since } of kept) expect(now - since).toBeGreaterThanOrEqual(patienceMs)
          expect(kept.length).toBeLessThanOrEqual(Object.keys(limits).length)
        })
      }),
    )
  })

  it('an archive holds or waits, once', () => {
    fc.assert(
      fc.property(steps, (given) => {
        play(given, ({ holders, waiting }) => {
          const all = names([...holders, ...waiting])
          expect(new Set(all).size).toBe(all.length)
        })
      }),
    )
  })

  it('a project without a permit is served before any other is served twice', () => {
    const project = fc.constantFrom('p', 'q', 'r', 's', 't')
    fc.assert(
      fc.property(
        fc.array(project, { minLength: 20, maxLength: 80 }),
        fc.integer({ min: 1, max: 4 }),
        fc.array(fc.nat(20), { minLength: 80, maxLength: 80 }),
        (projects, limit, ends) => {
          const state = freshPermits()
          askAll(state, ...projects.map((one, since) => request({ project: one, since, scopes: { all: limit } })))
          const since = new Map<string, string[]>()
          const note = (granted: { project: string }[]) => {
            for (const { project: served } of granted) {
              for (const [waits, others] of since) {
                others.push(served)
                expect([waits, others.filter((one) => one === served).length]).toEqual([waits, 1])
              }
              since.delete(served)
            }
            for (const one of new Set(state.waiting.map((waits) => waits.project))) {
              if (state.holders.every((holder) => holder.project !== one) && !since.has(one)) since.set(one, [])
            }
          }
          note(grantAll(state, 0))
          for (const end of ends) {
            give(state, state.holders[end % Math.max(state.holders.length, 1)]?.archive ?? '')
            // what held on until now waits from now on
            note(grantAll(state, 0))
          }
          expect(state.waiting).toEqual([])
        },
      ),
    )
  })
})

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
    ask(state, request({ project: 'y', scopes: { ...all, ...b } }))
    grantAll(state, 0)
    askAll(state, ...[1, 2, 3].map((since) => request({ project: 'z', since, scopes: { ...all, ...b } })))
    askAll(state, ...[1, 2, 3, 4].map((i) => request({ project: `q${i}`, since: patienceMs, scopes: all })))
    const [first, ...more] = grantAll(state, patienceMs + 5)
    expect([first?.project, more]).toEqual(['q1', []])
    give(state, first?.archive ?? '')
    expect(grantAll(state, patienceMs + 5).map(({ project }) => project)).toEqual(['q2'])
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
    expect(ask(state, one)).toBeNull()
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
})
