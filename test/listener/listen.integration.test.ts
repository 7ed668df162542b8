import { randomUUID } from 'node:crypto'
import type { GetMessage } from 'amqplib'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { CodedError } from '../../errors/coded-error.js'
import type { Deliver, Delivery } from '../../listener/hand-over.js'
import { listen, type Listener } from '../../listener/listen.js'
import { listenOptions } from '../../listener/options.js'
import type { Pace } from '../../listener/pace.js'
import type { Log } from '../../log/log.js'
import { connectPublisher, eventually, testAmqpUrl, type Publisher } from '../helpers/rabbit.js'
import { bodyOf, captures, notification } from './fixtures.js'

const quick: Pace = { firstRetryMs: 20, maxRetryMs: 100, recheckMs: 100, holdMs: 60_000 }
const events = new Set(['volume.create.end'])

let broker: Publisher
let exchange: string
let queue: string
let listeners: Listener[]
let lines: { level: string; fields: Record<string, unknown>; message: string }[]
let delivered: Delivery[]

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

function begin(request: { deliver?: Deliver; options?: object; pace?: Partial<Pace> } = {}): Listener {
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

const created = (volume: string, message: string = randomUUID()): Buffer =>
  notification({ message_id: message, event_type: 'volume.create.end', payload: { volume_id: volume } })

async function publishMany(from: number, to: number): Promise<void> {
  for (let index = from; index < to; index += 1) await broker.publish(exchange, created(randomUUID(), `m-${index}`))
}

const ready = async (name = queue): Promise<number | undefined> => (await broker.look(name))?.ready

/** The error code with which the broker refuses to declare our queue like this; null when it has just these arguments. */
async function refusalOf(type: string, more: Record<string, unknown>): Promise<unknown> {
  const limits = { 'x-max-length-bytes': 2_000_000, 'x-overflow': 'drop-head', 'x-message-ttl': 3_600_000 }
  const declare = { durable: true, arguments: { 'x-queue-type': type, ...limits, ...more } }
  return broker
    .act((channel) => channel.assertQueue(queue, declare))
    .then(() => null)
    .catch((error: unknown) => (error instanceof Error && 'code' in error ? error.code : error))
}

async function take(name: string): Promise<GetMessage> {
  const message = await broker.act((channel) => channel.get(name, { noAck: true }))
  if (message === false) throw new Error(`nothing lies in ${name}`)
  return message
}

describe('listen', () => {
  it('hands over a volume’s event, and acknowledges it only after Temporal has accepted', async () => {
    let accept: () => void = () => undefined
    const listener = begin({
      deliver: (delivery) => {
        delivered.push(delivery)
        return new Promise((resolve) => (accept = resolve))
      },
    })
    await listener.started
    const volume = randomUUID()
    await broker.publish(exchange, created(volume, 'm-1'))
    await eventually(() => delivered.length === 1)
    expect(delivered[0]).toEqual({
      volumeId: volume,
      hints: [{ messageId: 'm-1', event: 'volume.create.end' }],
      start: true,
    })
    // nothing was acknowledged yet: with the connection's end it goes back
    const stopped = listener.stop()
    accept()
    await stopped
    expect(await ready()).toBe(0)
    expect(listener.stats()).toMatchObject({ state: 'stopped', seen: 1, hinted: 1, signalled: 1, ignored: 0, dead: 0 })
  })

  it('gives a message back when it ends before Temporal has accepted, and the next one hands it over', async () => {
    const away: Deliver = () => Promise.reject(new CodedError('CK-TEMPORAL-UNAVAILABLE', 'away'))
    const first = begin({ deliver: away })
    await first.started
    await broker.publish(exchange, created(randomUUID(), 'm-1'))
    await eventually(() => first.stats().state === 'waiting')
    expect(await ready()).toBe(0)
    await first.stop()
    expect(await ready()).toBe(1)
    begin()
    await eventually(() => delivered.length === 1)
    expect(delivered[0]?.hints[0]?.messageId).toBe('m-1')
  })

  it('acknowledges what nobody wants, and signals nothing for it', async () => {
    const listener = begin()
    await listener.started
    const bodies = [...captures('cinder'), ...captures('nova')].map(bodyOf)
    for (const body of bodies) await broker.publish(exchange, body)
    await eventually(() => listener.stats().seen === bodies.length)
    await listener.stop()
    expect(listener.stats()).toMatchObject({ ignored: 49, hinted: 1, signalled: 1, dead: 0 })
    expect(await ready()).toBe(0)
  })

  it('makes few signals of a burst for one volume, and acknowledges all of it', async () => {
    const listener = begin({
      deliver: (delivery) => {
        delivered.push(delivery)
        return new Promise((done) => setTimeout(done, 50))
      },
    })
    await listener.started
    const volume = randomUUID()
    const ids = Array.from({ length: 60 }, (_, index) => `m-${index}`)
    for (const id of ids) await broker.publish(exchange, created(volume, id))
    await eventually(() => listener.stats().seen === 60)
    await eventually(() => delivered.flatMap(({ hints }) => hints).length === 60)
    await listener.stop()
    expect(new Set(delivered.flatMap(({ hints }) => hints.map(({ messageId }) => messageId)))).toEqual(new Set(ids))
    expect(delivered.length).toBeLessThan(60)
    expect(await ready()).toBe(0)
  })

  it('makes a bounded quorum queue, and uses it again as it is', async () => {
    const options = { maxBytes: 2_000_000, messageTtlSeconds: 3600 }
    const first = begin({ options })
    await first.started
    await first.stop()
    expect(await refusalOf('quorum', { 'x-delivery-limit': 100 })).toBeNull()
    expect(await refusalOf('classic', {})).toBe(406)
    await begin({ options: { maxBytes: 3_000_000 } }).started
    expect(lines.map(({ message }) => message).filter((message) => message.includes('used as it is'))).toHaveLength(1)
  })

  it('makes a bounded classic queue where quorum queues are not wanted', async () => {
    await begin({ options: { maxBytes: 2_000_000, messageTtlSeconds: 3600, quorum: 'never' } }).started
    expect(await refusalOf('classic', {})).toBeNull()
  })

  it('drops the oldest hints rather than let the broker fill', async () => {
    const first = begin({ options: { maxBytes: 1_048_576 } })
    await first.started
    await first.stop()
    const padding = 'x'.repeat(100_000)
    for (let index = 0; index < 30; index += 1) {
      const payload = { volume_id: randomUUID(), padding }
      await broker.publish(
        exchange,
        notification({ message_id: `m-${index}`, event_type: 'volume.create.end', payload }),
      )
    }
    await eventually(async () => ((await ready()) ?? 99) <= 10)
    begin()
    await eventually(() => delivered.some(({ hints }) => hints[0]?.messageId === 'm-29'))
    expect(delivered.some(({ hints }) => hints[0]?.messageId === 'm-0')).toBe(false)
  })

  it('never takes a message from the shared queues that publishers fill for others', async () => {
    const shared = broker.name('ck-test-shared')
    await broker.act(async (channel) => {
      await channel.assertQueue(shared, { durable: false })
      await channel.bindQueue(shared, exchange, 'notifications.info')
    })
    const listener = begin()
    await listener.started
    for (let index = 0; index < 5; index += 1) await broker.publish(exchange, created(randomUUID()))
    await eventually(() => listener.stats().signalled === 5)
    expect(await broker.look(shared)).toEqual({ ready: 5, consumers: 0 })
  })

  it('listens to what is there, reports an exchange that is missing, and binds to it when it appears', async () => {
    const late = broker.name('nova')
    const listener = begin({
      options: {
        bind: [
          { exchange: late, topics: ['notifications', 'versioned_notifications'] },
          { exchange, topics: ['notifications'] },
        ],
      },
    })
    await listener.started
    expect(listener.stats().unbound).toEqual([late])
    await broker.publish(exchange, created(randomUUID(), 'm-1'))
    await eventually(() => delivered.length === 1)

    await broker.declareExchange(late)
    await eventually(() => listener.stats().unbound.length === 0)
    await broker.publish(late, created(randomUUID(), 'm-2'))
    await broker.publish(late, created(randomUUID(), 'm-3'), 'versioned_notifications.info')
    await eventually(() => delivered.length === 3)
    const told = lines.filter(({ fields }) => fields['code'] === 'CK-RABBIT-EXCHANGE')
    expect(told.map(({ level, message }) => [level, message])).toEqual([
      ['error', `exchange "${late}" does not exist on 127.0.0.1`],
    ])
    expect(told[0]?.fields['cure']).toContain('[oslo_messaging_notifications]')
  })

  it('puts what cannot be decoded into the dead-letter queue with the reason, logs none of it, and goes on', async () => {
    const listener = begin()
    await listener.started
    const broken = Buffer.from('{"_context_auth_token": "sesame-raw", ')
    const wrong = Buffer.from(
      JSON.stringify({ _context_auth_token: 'sesame-json', event_type: 'volume.create.end', payload: {} }),
    )
    await broker.publish(exchange, broken)
    await broker.publish(exchange, wrong)
    await broker.publish(exchange, created(randomUUID()))
    await eventually(() => listener.stats().dead === 2 && delivered.length === 1)
    await listener.stop()
    expect(await ready()).toBe(0)

    const first = await take(`${queue}.dead`)
    expect(first.content).toEqual(broken)
    expect(first.properties.headers).toMatchObject({
      'x-ck-code': 'CK-NOTIFICATION-UNREADABLE',
      'x-ck-reason': 'a notification cannot be read: the body is not JSON',
      'x-ck-exchange': exchange,
      'x-ck-routing-key': 'notifications.info',
    })
    expect(first.properties.deliveryMode).toBe(2)
    const second = await take(`${queue}.dead`)
    expect(second.content.toString()).toBe('{"event_type":"volume.create.end","payload":{}}')
    expect(JSON.stringify(lines)).not.toContain('sesame')
  })

  it('makes the dead-letter queue anew when somebody deleted it', async () => {
    const listener = begin()
    await listener.started
    await broker.publish(exchange, Buffer.from('{'))
    await eventually(() => listener.stats().dead === 1)
    await broker.act((channel) => channel.deleteQueue(`${queue}.dead`))
    await broker.publish(exchange, Buffer.from('['))
    await eventually(() => listener.stats().dead === 2)
    expect((await take(`${queue}.dead`)).content.toString()).toBe('[')
  })

  it('holds no more than its prefetch while Temporal takes its time', async () => {
    const temporal: { accept: (() => void)[] } = { accept: [] }
    const listener = begin({
      options: { prefetch: 5, concurrency: 3 },
      deliver: () =>
        new Promise((accept) => {
          temporal.accept.push(accept)
        }),
    })
    await listener.started
    await publishMany(0, 20)
    await eventually(async () => listener.stats().seen === 5 && (await ready()) === 15)
    expect(temporal.accept).toHaveLength(3)
    await eventually(() => {
      for (const accept of temporal.accept.splice(0)) accept()
      return listener.stats().signalled === 20
    })
  })

  it('takes nothing while Temporal is away, and goes on without losing any', async () => {
    const temporal = { away: true }
    const listener = begin({
      deliver: async (delivery) => {
        if (temporal.away) throw new CodedError('CK-TEMPORAL-UNAVAILABLE', 'away')
        delivered.push(delivery)
      },
    })
    await listener.started
    await publishMany(0, 1)
    await eventually(() => listener.stats().state === 'waiting')
    // the cancellation is on its way to the broker; then several tries of Temporal
    await new Promise((resolve) => setTimeout(resolve, 200))
    await publishMany(1, 20)
    await new Promise((resolve) => setTimeout(resolve, 300))
    expect(listener.stats()).toMatchObject({ seen: 1, state: 'waiting' })
    expect(await ready()).toBe(19)
    temporal.away = false
    await eventually(() => delivered.length === 20)
    await listener.stop()
    expect(listener.stats()).toMatchObject({ seen: 20, signalled: 20 })
    expect(await ready()).toBe(0)
  })

  it('gives what it holds back to the queue long before the broker would lose patience, and still asks Temporal', async () => {
    const temporal = { away: true, asked: 0 }
    const listener = begin({
      options: { prefetch: 5 },
      pace: { holdMs: 150 },
      deliver: async (delivery) => {
        temporal.asked += 1
        if (temporal.away) throw new CodedError('CK-TEMPORAL-REFUSED', 'INVALID_ARGUMENT', { cure: 'register it' })
        delivered.push(delivery)
      },
    })
    await listener.started
    const ids = Array.from({ length: 8 }, (_, index) => `m-${index}`)
    for (const id of ids) await broker.publish(exchange, created(randomUUID(), id))
    await eventually(async () => (await ready()) === 8)
    const { asked } = temporal
    await eventually(() => temporal.asked > asked + 2)
    expect(await broker.look(queue)).toEqual({ ready: 8, consumers: 0 })
    expect(await broker.look(`${queue}.dead`)).toBeNull()
    expect(lines.filter(({ fields }) => fields['cure'] === 'register it')).toHaveLength(1)
    temporal.away = false
    await eventually(async () => (await ready()) === 0 && listener.stats().state === 'consuming')
    await listener.stop()
    expect(new Set(delivered.flatMap(({ hints }) => hints.map(({ messageId }) => messageId)))).toEqual(new Set(ids))
  })

  it('begins anew when its queue is deleted under it', async () => {
    const listener = begin()
    await listener.started
    await broker.act((channel) => channel.deleteQueue(queue))
    await eventually(async () => (await broker.look(queue))?.consumers === 1)
    await broker.publish(exchange, created(randomUUID(), 'm-1'))
    await eventually(() => delivered.length === 1)
  })

  it('binds again what somebody unbound', async () => {
    const listener = begin()
    await listener.started
    await broker.act((channel) => channel.unbindQueue(queue, exchange, 'notifications.info'))
    await eventually(async () => {
      await broker.publish(exchange, created(randomUUID()))
      return delivered.length > 0
    })
    expect(listener.stats().unbound).toEqual([])
  })

  it('tries the hosts in turn', async () => {
    const { username, password, host } = new URL(testAmqpUrl())
    const listener = begin({ options: { url: `amqp://${username}:${password}@127.0.0.1:1,${host}/` } })
    await listener.started
    expect(listener.stats().host).toBe(host.split(':')[0])
  })

  const wrong = [
    ['CK-RABBIT-UNREACHABLE', 'amqp://u:sesame@127.0.0.1:1/'],
    ['CK-RABBIT-REFUSED', `amqp://guest:sesame@${new URL(testAmqpUrl()).host}/`],
    ['CK-RABBIT-REFUSED', `${testAmqpUrl().replace(/\/$/, '')}/no-such-vhost`],
  ] as const
  for (const [code, url] of wrong) {
    it(`says ${code} for ${url.replace(/\/\/.*@/, '//')} again and again, without the password`, async () => {
      const listener = begin({ options: { url } })
      await eventually(() => lines.filter(({ fields }) => fields['code'] === code).length > 1)
      await listener.stop()
      expect(JSON.stringify(lines)).not.toContain('sesame')
      expect(listener.stats()).toMatchObject({ state: 'stopped', seen: 0 })
    })
  }
})
