import { describe, expect, it } from 'vitest'
import { isReached, type Row } from '../../bench/figure.js'
import { interleave, summary } from '../../bench/rounds.js'

describe('interleave', () => {
  it('measures both sides in every round, and lets them take turns in going first', async () => {
    const order: string[] = []
    const side = (name: string) => async (round: number) => {
      order.push(`${name} ${String(round)}`)
      return 1
    }
    await interleave(3, { ours: side('ours'), bare: side('bare') })
    expect(order).toEqual(['ours 0', 'bare 0', 'bare 1', 'ours 1', 'ours 2', 'bare 2'])
  })

  it('compares within a round: what slows down a whole round changes no ratio', async () => {
    const noise = [1, 50, 1, 1, 80]
    const { ratio, ours } = await interleave(5, {
      ours: async (round) => 3 * (noise[round] ?? 0),
      bare: async (round) => 2 * (noise[round] ?? 0),
    })
    expect(ratio).toEqual({ median: 1.5, lower: 1.5, upper: 1.5, samples: 5 })
    expect(ours.upper).toBe(150)
  })
})

describe('summary', () => {
  it('tells the middle, and where the middle half lies', () => {
    expect(summary([5, 1, 4, 2, 3])).toEqual({ median: 3, lower: 2, upper: 4, samples: 5 })
    expect(summary([1, 2]).median).toBe(1.5)
  })

  it('does not invent a figure where nothing was measured', () => {
    expect(() => summary([])).toThrow('nothing was measured')
  })
})

describe('a goal', () => {
  const row = (median: number, goal: Row['goal']): Row => {
    const measured = summary([median])
    return {
      ...{ work: 'w', unit: '/s', bareIs: 'b', notes: [] },
      ...{ ours: measured, bare: measured, ratio: measured, goal },
    }
  }

  it('is judged by its own direction, the bound included', () => {
    expect(isReached(row(0.6, { of: 'ratio', is: 'at least', value: 0.6 }))).toBe(true)
    expect(isReached(row(0.59, { of: 'ratio', is: 'at least', value: 0.6 }))).toBe(false)
    expect(isReached(row(1.5, { of: 'ratio', is: 'at most', value: 1.5 }))).toBe(true)
    expect(isReached(row(1.51, { of: 'ratio', is: 'at most', value: 1.5 }))).toBe(false)
    expect(isReached(row(301, { of: 'ours', is: 'at most', value: 300 }))).toBe(false)
    expect(isReached(row(301, null))).toBeNull()
  })
})
