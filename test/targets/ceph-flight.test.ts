/** Acts of which some are under way at once, and leaves that are compared in turn. */
import { setImmediate as nextTurn } from 'node:timers/promises'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { flight } from '../../targets/ceph/flight.js'
import { inTurn } from '../../targets/ceph/in-turn.js'

/** Acts that end when they are told to. */
function acts() {
  const begun: number[] = []
  const ended: number[] = []
  const ends = new Map<number, (error?: Error) => void>()
  return {
    begun,
    ended,
    under: () => begun.length - ended.length,
    act: (id: number) => async () => {
      begun.push(id)
      await new Promise<void>((resolve, reject) => {
        ends.set(id, (error) => {
          if (error === undefined) resolve()
          else reject(error)
        })
      }).finally(() => ended.push(id))
    },
    end: async (id: number, error?: Error) => {
      ends.get(id)?.(error)
      for (let turn = 0; turn < 3; turn += 1) await nextTurn()
    },
  }
}

async function settled(promise: Promise<unknown>): Promise<boolean> {
  let isSettled = false
  promise.then(
    () => (isSettled = true),
    () => (isSettled = true),
  )
  for (let turn = 0; turn < 3; turn += 1) await nextTurn()
  return isSettled
}

describe('a flight', () => {
  it('begins acts in their order, ten at once, and the next when the oldest has ended', async () => {
    const { act, begun, end } = acts()
    const moving = flight()
    for (let id = 0; id < 10; id += 1) await moving.begin(act(id))
    expect(begun).toEqual(Array.from({ length: 10 }, (_, id) => id))
    const next = moving.begin(act(10))
    expect(await settled(next)).toBe(false)
    expect(begun).toHaveLength(10)
    await end(0)
    await next
    expect(begun.at(-1)).toBe(10)
    const landing = moving.land()
    for (let id = 1; id <= 9; id += 1) await end(id)
    expect(await settled(landing)).toBe(false)
    await end(10)
    await landing
  })

  it('never has more under way, and lands when all have ended, whatever their order', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(), { maxLength: 40 }), async (order) => {
        const { act, begun, ended, under, end } = acts()
        const moving = flight()
        const all = (async () => {
          for (const id of order.keys()) await moving.begin(act(id))
          await moving.land()
        })()
        for (const pick of order) {
          const open = begun.filter((id) => !ended.includes(id))
          expect(under()).toBeLessThanOrEqual(10)
          await end(open[pick % open.length] ?? -1)
        }
        await all
        expect(begun).toEqual([...order.keys()])
        expect(ended).toHaveLength(order.length)
      }),
      { numRuns: 30 },
    )
  })

  it('tells of a failure once, and after all have ended', async () => {
    const { act, ended, end } = acts()
    const moving = flight()
    for (let id = 0; id < 4; id += 1) await moving.begin(act(id))
    // long before anybody asks: it is no unhandled rejection
    await end(2, new Error('the third'))
    await end(1, new Error('the second'))
    const landing = moving.land()
    expect(await settled(landing)).toBe(false)
    await end(3)
    expect(await settled(landing)).toBe(false)
    await end(0)
    // of two, the first in their order
    await expect(landing).rejects.toThrow('the second')
    expect(ended).toHaveLength(4)
    await moving.land()
    await moving.begin(async () => Promise.resolve())
    await moving.land()
  })

  it('begins nothing in the place of an act that has failed', async () => {
    const { act, begun, end } = acts()
    const moving = flight()
    for (let id = 0; id < 10; id += 1) await moving.begin(act(id))
    await end(0, new Error('the first'))
    await expect(moving.begin(act(10))).rejects.toThrow('the first')
    expect(begun).not.toContain(10)
    const landing = moving.land()
    for (let id = 1; id < 10; id += 1) await end(id)
    // it was told already
    await landing
  })

  it('lands at once when nothing is under way', async () => {
    await flight().land()
  })
})

describe('the leaves that are in turn', () => {
  const shares = { compare: fc.integer({ min: 1, max: 64 }), round: fc.nat(10_000) }
  const piece = fc.record({ first: fc.nat(2 ** 22), count: fc.nat(300) })
  const endOf = ({ first, count }: { first: number; count: number }) => ({ first, end: first + count })

  it('are, after as many rounds as one in so many is compared, all of them, each once', () => {
    fc.assert(
      fc.property(fc.record(shares), piece, ({ compare, round: firstRound }, given) => {
        const leaves = endOf(given)
        const turns: number[] = []
        for (let round = firstRound; round < firstRound + compare; round += 1) {
          const { first, end } = inTurn(leaves, { compare, round })
          for (let leaf = first; leaf < end; leaf += 1) turns.push(leaf)
        }
        const all = Array.from({ length: given.count }, (_, leaf) => given.first + leaf)
        expect(turns.sort((a, b) => a - b)).toEqual(all)
      }),
    )
  })

  it('are one in so many of each round', () => {
    fc.assert(
      fc.property(fc.record(shares), piece, ({ compare, round }, given) => {
        const { first, end } = inTurn(endOf(given), { compare, round })
        const share = given.count / compare
        expect(end - first).toBeGreaterThanOrEqual(Math.floor(share))
        expect(end - first).toBeLessThanOrEqual(Math.ceil(share))
      }),
    )
  })
})
