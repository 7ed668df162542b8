import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { PermitsState } from '../../workflows/permits-state.js'
import {
  ask,
  freshPermits,
  give,
  grantAll,
  patienceMs,
  pauseScope,
  resumeScope,
} from '../../workflows/permits-state.js'
import { askAll, names, pause, request, uses } from './permit-requests.js'

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
