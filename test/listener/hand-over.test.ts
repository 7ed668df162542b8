import { setImmediate as tick } from 'node:timers/promises'
import { afterEach, describe, expect, it } from 'vitest'
import { CodedError } from '../../errors/coded-error.js'
import { createHandOver, type Delivery, type HandOver } from '../../listener/hand-over.js'
import type { SubjectHint } from '../../listener/route.js'
import { silentLog } from '../../log/log.js'

/** A Temporal that answers each signal when the test says so. */
function controlled() {
  const calls: { delivery: Delivery; accept: () => void; refuse: (error: Error) => void }[] = []
  const deliver = (delivery: Delivery): Promise<void> =>
    new Promise((accept, refuse) => {
      calls.push({ delivery, accept, refuse })
    })
  return { calls, deliver }
}

const unavailable = new CodedError('CK-TEMPORAL-UNAVAILABLE', 'away')
const refused = new CodedError('CK-TEMPORAL-REFUSED', 'INVALID_ARGUMENT', { cure: 'register it' })
const hint = (workflowId: string, messageId: string, start = true): SubjectHint => ({
  workflowId,
  hint: { messageId, event: 'volume.create.end' },
  start,
})
const handOvers: HandOver[] = []

function setUp(concurrency = 2, log = silentLog) {
  const temporal = controlled()
  const handOver = createHandOver({ deliver: temporal.deliver, concurrency, firstRetryMs: 1, maxRetryMs: 5, log })
  handOvers.push(handOver)
  const done: string[] = []
  const add = (volumeId: string, messageId: string, start = true): void => {
    handOver.add(hint(volumeId, messageId, start), () => done.push(messageId))
  }
  const sent = (): string[] =>
    temporal.calls.map(({ delivery }) => `${delivery.workflowId}:${delivery.hints.map((h) => h.messageId).join('+')}`)
  return { ...temporal, handOver, add, done, sent }
}

async function settle(): Promise<void> {
  for (let turn = 0; turn < 5; turn += 1) await tick()
}

async function until(fact: () => boolean): Promise<void> {
  while (!fact()) await new Promise((resolve) => setTimeout(resolve, 2))
}

afterEach(() => {
  for (const handOver of handOvers.splice(0)) void handOver.stop()
})

describe('createHandOver', () => {
  it('makes one signal of a burst for one volume, and acknowledges all of it only when that was accepted', async () => {
    const { add, calls, done, sent } = setUp()
    for (const id of ['1', '2', '3']) add('a', id)
    await settle()
    expect(sent()).toEqual(['a:1+2+3'])
    expect(done).toEqual([])
    calls[0]?.accept()
    await settle()
    expect(done).toEqual(['1', '2', '3'])
  })

  it('gathers what comes for a volume while a signal for it is pending', async () => {
    const { add, calls, sent } = setUp()
    add('a', '1')
    await settle()
    for (const id of ['2', '3']) add('a', id)
    await settle()
    expect(sent()).toEqual(['a:1'])
    calls[0]?.accept()
    await settle()
    expect(sent()).toEqual(['a:1', 'a:2+3'])
  })

  it('keeps at most so many signals in flight, of different volumes', async () => {
    const { add, calls, sent, handOver } = setUp(2)
    for (const volume of ['a', 'b', 'c']) add(volume, '1')
    await settle()
    expect(sent()).toEqual(['a:1', 'b:1'])
    calls[1]?.accept()
    await settle()
    expect(sent()).toEqual(['a:1', 'b:1', 'c:1'])
    calls[0]?.accept()
    calls[2]?.accept()
    await settle()
    expect(handOver.signalled()).toBe(3)
  })

  it('starts the workflow when one hint of a burst may', async () => {
    const { add, calls } = setUp()
    add('a', '1', false)
    add('a', '2', true)
    add('b', '3', false)
    await settle()
    expect(calls.map(({ delivery }) => delivery.start)).toEqual([true, false])
  })

  it('tries one signal alone while Temporal is away, again and again, and goes on with the rest after it', async () => {
    const { add, calls, done, sent, handOver } = setUp()
    add('a', '1')
    await settle()
    calls[0]?.refuse(unavailable)
    await handOver.troubled()
    add('b', '2')
    for (let call = 1; call <= 3; call += 1) {
      await until(() => calls.length > call)
      calls[call]?.refuse(unavailable)
    }
    await until(() => calls.length > 4)
    expect(sent()).toEqual(['a:1', 'a:1', 'a:1', 'a:1', 'a:1'])
    expect(done).toEqual([])
    calls[4]?.accept()
    await handOver.accepting()
    await settle()
    expect(done).toEqual(['1'])
    expect(sent()[5]).toBe('b:2')
  })

  it('says once what to do when Temporal refuses a signal, and takes the refused one up again after the cure', async () => {
    const told: unknown[] = []
    const log = { ...silentLog, error: (fields: object) => told.push(fields) }
    const { add, calls, done, handOver } = setUp(2, log)
    add('a', '1')
    await settle()
    calls[0]?.refuse(refused)
    await handOver.troubled()
    await until(() => calls.length > 1)
    calls[1]?.refuse(refused)
    await until(() => calls.length > 2)
    expect(told).toEqual([expect.objectContaining({ code: 'CK-TEMPORAL-REFUSED', cure: 'register it' })])
    calls[2]?.accept()
    await handOver.accepting()
    expect(done).toEqual(['1'])
  })

  it('holds everything up for an error that nobody foresaw, rather than lose the hint', async () => {
    const { add, calls, done, handOver } = setUp()
    add('a', '1')
    await settle()
    calls[0]?.refuse(new TypeError('a fault of ours'))
    await handOver.troubled()
    await until(() => calls.length > 1)
    calls[1]?.accept()
    await handOver.accepting()
    expect(done).toEqual(['1'])
  })

  it('loses no hint when several signals fail at once', async () => {
    const { add, calls, done, handOver } = setUp(2)
    for (const volume of ['a', 'b', 'c']) add(volume, volume)
    await settle()
    calls[0]?.refuse(unavailable)
    calls[1]?.refuse(unavailable)
    await handOver.troubled()
    await until(() => calls.length > 2)
    calls[2]?.accept()
    await handOver.accepting()
    await until(() => calls.length > 4)
    calls[3]?.accept()
    calls[4]?.accept()
    await settle()
    expect(done.sort()).toEqual(['a', 'b', 'c'])
  })

  it('acknowledges nothing of what went back to the broker, but still asks with one hint', async () => {
    const { add, calls, done, sent, handOver } = setUp()
    add('a', '1')
    await settle()
    calls[0]?.refuse(unavailable)
    await handOver.troubled()
    add('b', '2')
    handOver.forget()
    await until(() => calls.length > 1)
    calls[1]?.accept()
    await handOver.accepting()
    await settle()
    expect(sent()).toEqual(['a:1', 'a:1'])
    expect(done).toEqual([])
  })

  it('waits at its end for the signals in flight, and starts no other', async () => {
    const { add, calls, done, sent, handOver } = setUp(1)
    add('a', '1')
    add('b', '2')
    await settle()
    const stopped = handOver.stop()
    calls[0]?.accept()
    await stopped
    await settle()
    expect(done).toEqual(['1'])
    expect(sent()).toEqual(['a:1'])
  })
})
