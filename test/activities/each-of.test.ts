import { setImmediate as turn, setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { eachOf } from '../../activities/each-of.js'

const numbers = (count: number): number[] => Array.from({ length: count }, (_, at) => at)

describe('eachOf', () => {
  it('does all, sixteen at a time at most', async () => {
    const done: number[] = []
    let running = 0
    let most = 0
    await eachOf(numbers(100), async (one) => {
      running += 1
      most = Math.max(most, running)
      await turn()
      running -= 1
      done.push(one)
    })
    expect(done.sort((a, b) => a - b)).toEqual(numbers(100))
    expect(most).toBe(16)
  })

  it.each([0, 3, 50, 99])('tells the failure of number %i, whenever it comes', async (bad) => {
    const failing = async (one: number): Promise<void> => {
      if (one === bad) throw new Error(`number ${one}`)
      return Promise.resolve()
    }
    await expect(eachOf(numbers(100), failing)).rejects.toThrow(`number ${bad}`)
    // also while the next item is waited for
    async function* slowly() {
      for (const one of numbers(bad + 2)) {
        await turn()
        yield one
      }
    }
    await expect(eachOf(slowly(), failing)).rejects.toThrow(`number ${bad}`)
  })

  it('begins nothing more after a failure, and lets what had begun come to its end', async () => {
    const begun: number[] = []
    const ended: number[] = []
    const failing = eachOf(numbers(100), async (one) => {
      begun.push(one)
      await sleep(one === 5 ? 1 : 20)
      if (one === 5) throw new Error('number 5')
      ended.push(one)
    })
    await expect(failing).rejects.toThrow('number 5')
    expect(begun).toEqual(numbers(16))
    expect(ended).toEqual(begun.filter((one) => one !== 5))
  })
})
