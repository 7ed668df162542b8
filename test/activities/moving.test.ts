/** How fast bytes are moved, and what is told of it. */
import { describe, expect, it } from 'vitest'
import { measured } from '../../activities/measured.js'
import { createThrottle, throttleOf } from '../../activities/throttle.js'
import type { Progress } from '../../targets/target.js'

const never = new AbortController().signal

describe('a throttle', () => {
  it('lets no more than its rate through, whoever moves the bytes', async () => {
    const throttle = createThrottle(10_000)
    let isLate = false
    const late = setTimeout(() => (isLate = true), 3000)
    const began = performance.now()
    await Promise.all(
      [1, 2, 3].map(async () => {
        for (let i = 0; i < 10; i++) await throttle(200, never)
      }),
    )
    // 6,000 bytes, a quarter of a second of them at once
    expect(performance.now() - began).toBeGreaterThan(330)
    expect(isLate).toBe(false)
    clearTimeout(late)
  })

  it('forgives nothing that was not moved before: a pause is no credit', async () => {
    let at = 0
    const throttle = createThrottle(1000, () => at)
    at = 3_600_000
    await throttle(250, never)
    const began = performance.now()
    await throttle(100, never)
    expect(performance.now() - began).toBeGreaterThan(80)
  })

  it('is left at once when the act is cancelled, with the reason of that', async () => {
    const abort = new AbortController()
    const waiting = createThrottle(1)(1_000_000, abort.signal)
    abort.abort(new Error('cancelled'))
    await expect(waiting).rejects.toThrow('cancelled')
  })

  it('keeps to the limits of the mover and of the target, and to none where there are none', async () => {
    const seen: string[] = []
    const mover = async () => void seen.push('mover')
    const slow = async () => void seen.push('slow')
    const throttles = { mover, targets: new Map([['slow', slow]]) }
    await throttleOf(throttles, 'slow', never)?.(1)
    await throttleOf(throttles, 'other', never)?.(1)
    expect(seen).toEqual(['mover', 'slow', 'mover'])
    expect(throttleOf({ targets: new Map() }, 'slow', never)).toBeUndefined()
  })
})

describe('measured progress', () => {
  function told(...steps: [number, Progress][]): Progress {
    let at = 0
    let last: Progress = { phase: '' }
    const report = measured(
      (progress) => (last = progress),
      () => at,
    )
    for (const [ms, progress] of steps) {
      at = ms
      report(progress)
    }
    return last
  }
  const writing = (doneBytes: number) => ({ phase: 'writing', doneBytes, totalBytes: 1000 })

  it('carries rate and time to go', () => {
    expect(told([0, writing(0)], [2000, writing(200)])).toMatchObject({ bytesPerSecond: 100, secondsLeft: 8 })
  })

  it('looks back half a minute', () => {
    const steps = [...Array(100).keys()].map((i): [number, Progress] => [i * 1000, writing(i < 50 ? 0 : (i - 49) * 10)])
    expect(told(...steps)).toMatchObject({ bytesPerSecond: 10 })
  })

  it('keeps no more than a sample a second, however often it is told', () => {
    const steps = [...Array(10_000).keys()].map((i): [number, Progress] => [i, writing(i / 100)])
    expect(told(...steps)).toMatchObject({ bytesPerSecond: 10 })
  })

  it('says nothing of a rate in another phase, after it began again, or where nothing is counted', () => {
    expect(told([0, writing(0)], [1000, { ...writing(500), phase: 'reading' }]).bytesPerSecond).toBeUndefined()
    expect(told([0, writing(500)], [1000, writing(0)]).bytesPerSecond).toBeUndefined()
    expect(told([0, writing(0)], [1000, { phase: 'waiting' }])).toEqual({ phase: 'waiting' })
  })
})
