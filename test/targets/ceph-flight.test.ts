/** Acts of which some are under way at once, and leaves that are compared in turn. */
import { setImmediate as nextTurn } from 'node:timers/promises'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { flight } from '../../targets/ceph/flight.js'
import { isInTurn } from '../../targets/ceph/in-turn.js'

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
  it('begins acts in their order, a dozen at once, and the next when the oldest has ended', async () => {
    const { act, begun, end } = acts()
    const moving = flight()
    for (let id = 0; id < 12; id += 1) await moving.begin(act(id))
    expect(begun).toEqual(Array.from({ length: 12 }, (_, id) => id))
    const next = moving.begin(act(12))
    expect(await settled(next)).toBe(false)
    expect(begun).toHaveLength(12)
    await end(0)
    await next
    expect(begun.at(-1)).toBe(12)
    const landing = moving.land()
    for (let id = 1; id <= 11; id += 1) await end(id)
    expect(await settled(landing)).toBe(false)
    await end(12)
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
          expect(under()).toBeLessThanOrEqual(12)
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
    for (let id = 0; id < 12; id += 1) await moving.begin(act(id))
    await end(0, new Error('the first'))
    await expect(moving.begin(act(12))).rejects.toThrow('the first')
    expect(begun).not.toContain(12)
    const landing = moving.land()
    for (let id = 1; id < 12; id += 1) await end(id)
    // it was told already
    await landing
  })

  it('lands at once when nothing is under way', async () => {
    await flight().land()
  })
})

describe('the leaves that are in turn', () => {
  it('are, after as many rounds as one in so many is compared, all of them, each once', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 64 }), fc.nat(10_000), fc.nat(2 ** 22), (compare, firstRound, first) => {
        for (let leaf = first; leaf < first + compare + 3; leaf += 1) {
          let turns = 0
          for (let round = firstRound; round < firstRound + compare; round += 1)
            if (isInTurn(leaf, { compare, round })) turns += 1
          expect(turns).toBe(1)
        }
      }),
    )
  })

  it('are one in so many of each round', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 64 }),
        fc.nat(10_000),
        fc.integer({ min: 1, max: 20 }),
        (compare, round, times) => {
          const leaves = Array.from({ length: compare * times }, (_, leaf) => leaf)
          expect(leaves.filter((leaf) => isInTurn(leaf, { compare, round }))).toHaveLength(times)
        },
      ),
    )
  })
})
