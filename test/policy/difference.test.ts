import { describe, expect, it } from 'vitest'
import { policyDifference } from '../../policy/difference.js'
import type { Policy } from '../../policy/policy.js'
import { policy } from './volume-facts.js'

describe('policyDifference', () => {
  it('names what is added, changed and removed, in the words of the file', () => {
    const before = [policy('a'), policy('gone'), policy('same')]
    const a = policy('a', {
      every: '0 6 * * *',
      settleSeconds: 90,
      window: { from: 1320, to: 360 },
      where: { name: ['x'] },
    })
    expect(policyDifference(before, [a, policy('same'), policy('new')])).toEqual([
      {
        policy: 'a',
        kind: 'changed',
        changes: [
          'where: {} → {name: [x]}',
          'every: none → "0 6 * * *"',
          'window: none → 22:00-06:00',
          'settle: 30s → 1m30s',
        ],
      },
      { policy: 'new', kind: 'added', changes: [] },
      { policy: 'gone', kind: 'removed', changes: [] },
    ])
  })

  it('sees that another one stands first, and that only its neighbours moved', () => {
    const [a, b, c] = [policy('a'), policy('b'), policy('c')]
    expect(policyDifference([a, b], [b, a]).map(({ changes }) => changes)).toEqual([['place: 2 → 1'], ['place: 1 → 2']])
    expect(policyDifference([a, b], [c, a, b])).toEqual([{ policy: 'c', kind: 'added', changes: [] }])
    expect(policyDifference([a, b], [a, b])).toEqual([])
  })

  it('reads what an older release applied', () => {
    const old = Object.fromEntries(
      Object.entries(policy('a')).filter(([option]) => !['every', 'window', 'permits'].includes(option)),
    )
    expect(policyDifference([old as unknown as Policy], [policy('a', { permits: 2 })])[0]?.changes).toEqual([
      'permits: any number → 2',
    ])
  })
})
