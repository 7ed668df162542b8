/** A broker, an exchange and a queue of its own for each test of `listen`, and what was delivered and logged. */
import { randomUUID } from 'node:crypto'
import type { GetMessage } from 'amqplib'
import { afterEach, beforeEach } from 'vitest'
import type { Deliver, Delivery } from '../../listener/hand-over.js'
import { listen, type Listener } from '../../listener/listen.js'
import { listenOptions } from '../../listener/options.js'
import type { Pace } from '../../listener/pace.js'
import type { Log } from '../../log/log.js'
import { connectPublisher, testAmqpUrl, type Publisher } from '../helpers/rabbit.js'
import { notification } from './fixtures.js'

const quick: Pace = { firstRetryMs: 20, maxRetryMs: 100, recheckMs: 100, holdMs: 60_000 }
const events = new Set(['volume.create.end'])

export let broker: Publisher
export let exchange: string
export let queue: string
let listeners: Listener[]
export let lines: { level: string; fields: Record<string, unknown>; message: string }[]
export let delivered: Delivery[]

beforeEach(async () => {
  broker = await connectPublisher()
  exchange = broker.name('ck-test-openstack')
  queue = broker.name('ck-test-queue')
  listeners = []
  lines = []
  delivered = []
  await broker.declareExchange(exchange)
})

afterEach(async () => {
  await Promise.all(listeners.map((listener) => listener.stop()))
  await broker.close()
})

export function begin(request: { deliver?: Deliver; options?: object; pace?: Partial<Pace> } = {}): Listener {
  const write =
    (level: string) =>
    (fields: Record<string, unknown>, message: string): void => {
      lines.push({ level, fields, message })
    }
  const log: Log = {
    debug: write('debug'),
    info: write('info'),
    warn: write('warn'),
    error: write('error'),
    child: () => log,
  }
  const listener = listen({
    options: listenOptions.parse({
      url: testAmqpUrl(),
      queue,
      bind: [{ exchange, topics: ['notifications'] }],
      ...request.options,
    }),
    events,
    deliver:
      request.deliver ??
      (async (delivery) => {
        delivered.push(delivery)
      }),
    log,
    pace: { ...quick, ...request.pace },
  })
  listeners.push(listener)
  return listener
}

export const created = (volume: string, message: string = randomUUID()): Buffer =>
  notification({ message_id: message, event_type: 'volume.create.end', payload: { volume_id: volume } })

export async function publishMany(from: number, to: number): Promise<void> {
  for (let index = from; index < to; index += 1) await broker.publish(exchange, created(randomUUID(), `m-${index}`))
}

export const ready = async (name = queue): Promise<number | undefined> => (await broker.look(name))?.ready

/** The error code with which the broker refuses to declare our queue like this; null when it has just these arguments. */
export async function refusalOf(type: string, more: Record<string, unknown>): Promise<unknown> {
  const limits = { 'x-max-length-bytes': 2_000_000, 'x-overflow': 'drop-head', 'x-message-ttl': 3_600_000 }
  const declare = { durable: true, arguments: { 'x-queue-type': type, ...limits, ...more } }
  return broker
    .act((channel) => channel.assertQueue(queue, declare))
    .then(() => null)
    .catch((error: unknown) => (error instanceof Error && 'code' in error ? error.code : error))
}

export async function take(name: string): Promise<GetMessage> {
  const message = await broker.act((channel) => channel.get(name, { noAck: true }))
  if (message === false) throw new Error(`nothing lies in ${name}`)
  return message
}
