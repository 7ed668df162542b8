import { randomUUID } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join, dirname } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { Delivery } from '../../listener/hand-over.js'
import { listen, type Listener } from '../../listener/listen.js'
import { listenOptions } from '../../listener/options.js'
import { silentLog, type Log } from '../../log/log.js'
import {
  connectPublisher,
  createPrivateBroker,
  eventually,
  type PrivateBroker,
  type Publisher,
} from '../helpers/rabbit.js'
import { notification } from './fixtures.js'

let broker: PrivateBroker
let publisher: Publisher
const listeners: Listener[] = []

beforeAll(async () => {
  broker = await createPrivateBroker()
  await broker.start()
  publisher = await connectPublisher(broker.url)
})

afterEach(async () => {
  await Promise.all(listeners.splice(0).map((listener) => listener.stop()))
})

afterAll(async () => {
  await publisher.close()
  await broker.remove()
})

function begin(options: object, log: Log = silentLog): { listener: Listener; delivered: Delivery[] } {
  const delivered: Delivery[] = []
  const listener = listen({
    options: listenOptions.parse(options),
    events: new Set(['volume.create.end']),
    deliver: async (delivery) => {
      delivered.push(delivery)
    },
    log,
    pace: { firstRetryMs: 20, maxRetryMs: 200, recheckMs: 100, holdMs: 60_000 },
  })
  listeners.push(listener)
  return { listener, delivered }
}

const created = (message: string): Buffer =>
  notification({ message_id: message, event_type: 'volume.create.end', payload: { volume_id: randomUUID() } })

const ids = (delivered: Delivery[]): string[] =>
  delivered.flatMap(({ hints }) => hints.map(({ messageId }) => messageId))

describe('listen on a broker of its own', () => {
  it('listens through TLS with a CA of the operator’s, the password from a file', async () => {
    const exchange = publisher.name('tls')
    await publisher.declareExchange(exchange)
    const passwordFile = join(dirname(broker.caFile), 'password')
    await writeFile(passwordFile, 'guest\n')
    const { listener, delivered } = begin({
      url: broker.tlsUrl.replace(':guest@', '@'),
      passwordFile,
      caFile: broker.caFile,
      queue: publisher.name('tls-queue'),
      bind: [{ exchange }],
    })
    await listener.started
    await publisher.publish(exchange, created('m-1'))
    await eventually(() => delivered.length === 1)
  })

  it('does not talk to a broker whose certificate nobody vouches for', async () => {
    const told: unknown[] = []
    const log = { ...silentLog, error: (fields: object, message: string) => told.push({ ...fields, message }) }
    const { listener } = begin({ url: broker.tlsUrl }, log)
    await eventually(() => told.length > 0)
    expect(told[0]).toMatchObject({
      code: 'CK-RABBIT-UNREACHABLE',
      message: expect.stringContaining('certificate') as string,
    })
    expect(listener.stats().host).toBeNull()
  })

  it('binds again after a restart of the broker took exchange and binding with it, and lost nothing that lay in its queue', async () => {
    const exchange = publisher.name('restart')
    const queue = publisher.name('restart-queue')
    await publisher.declareExchange(exchange)
    const first = begin({ url: broker.url, queue, bind: [{ exchange }] })
    await first.listener.started
    await first.listener.stop()
    await publisher.publish(exchange, created('m-before'))

    const { listener, delivered } = begin({ url: broker.url, queue, bind: [{ exchange }] })
    await listener.started
    await eventually(() => delivered.length === 1)
    await broker.stop()
    await eventually(() => listener.stats().state === 'connecting')
    await broker.start()
    publisher = await connectPublisher(broker.url)
    // the exchange was not durable: it is gone, and with it our binding
    await eventually(() => listener.stats().state === 'consuming')
    expect(listener.stats().unbound).toEqual([exchange])
    await publisher.declareExchange(exchange)
    await eventually(() => listener.stats().unbound.length === 0)
    await publisher.publish(exchange, created('m-after'))
    await eventually(() => ids(delivered).includes('m-after'))
    expect(ids(delivered)).toEqual(['m-before', 'm-after'])
  })

  it('acknowledges and stops although the broker, short of memory, takes no dead letter', async () => {
    const exchange = publisher.name('alarm')
    const queue = publisher.name('alarm-queue')
    await publisher.declareExchange(exchange)
    const options = { url: broker.url, queue, bind: [{ exchange }] }
    const first = begin(options)
    await first.listener.started
    await first.listener.stop()
    await publisher.publish(exchange, Buffer.from('{'))
    await publisher.publish(exchange, created('m-1'))
    await broker.stop()
    await broker.start({ isShortOfMemory: true })
    const told: string[] = []
    const log: Log = { ...silentLog, warn: (_fields, message) => void told.push(message) }
    const { listener, delivered } = begin(options, log)
    await eventually(() => delivered.length === 1 && told.some((message) => message.includes('blocks publishers')))
    await listener.stop()
    await broker.stop()
    await broker.start()
    publisher = await connectPublisher(broker.url)
    // the good one was acknowledged, the dead letter was not
    expect(await publisher.look(queue)).toMatchObject({ ready: 1 })
  })

  it('keeps in its queue, over a restart of the broker, what nobody has read yet', async () => {
    const exchange = publisher.name('durable')
    const queue = publisher.name('durable-queue')
    await publisher.declareExchange(exchange)
    const options = { url: broker.url, queue, bind: [{ exchange }] }
    const first = begin(options)
    await first.listener.started
    await first.listener.stop()
    await publisher.publish(exchange, created('m-1'))
    await broker.stop()
    await broker.start()
    publisher = await connectPublisher(broker.url)
    const { delivered } = begin(options)
    await eventually(() => delivered.length === 1)
    expect(ids(delivered)).toEqual(['m-1'])
  })
})
