import { setTimeout as sleep } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { whileTold } from '../../activities/while-told.js'

const never = new AbortController().signal
/** Waits for the abort, then a moment more, as for children to end. */
const work = (ended: string[]) => async (signal: AbortSignal) => {
  await sleep(5000, undefined, { signal }).catch(() => undefined)
  await sleep(20)
  ended.push('ended')
  signal.throwIfAborted()
}

it('stops, and has stopped, before the server takes it for dead', async () => {
  const ended: string[] = []
  const dead = setTimeout(() => ended.push('taken for dead'), 3000)
  const away = async () => Promise.reject(new Error('away'))
  await expect(whileTold(away, 3000, never, work(ended))).rejects.toMatchObject({ code: 'CK-TEMPORAL-SILENT' })
  clearTimeout(dead)
  expect(ended).toEqual(['ended'])
})

it('goes on while the server answers, and after it was away for a moment', async () => {
  let asked = 0
  const answers = async () => {
    asked += 1
    if (asked > 1 && asked < 4) throw new Error('away')
  }
  expect(
    await whileTold(answers, 1800, never, async (signal) => {
      await sleep(4000, undefined, { signal })
      return 'done'
    }),
  ).toBe('done')
  expect(asked).toBeGreaterThan(8)
})

it('stops when an answer never comes', async () => {
  const hangs = async () => new Promise(() => undefined)
  await expect(whileTold(hangs, 300, never, work([]))).rejects.toMatchObject({ code: 'CK-TEMPORAL-SILENT' })
})

it('leaves a cancellation what it is, and asks nobody where nobody can be asked', async () => {
  const cancel = new AbortController()
  const waiting = whileTold(async () => undefined, 600, cancel.signal, work([]))
  cancel.abort(new Error('cancelled'))
  await expect(waiting).rejects.toThrow('cancelled')
  expect(await whileTold(undefined, 1, never, async () => 1)).toBe(1)
})
