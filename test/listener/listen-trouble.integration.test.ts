import { randomUUID } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { CodedError } from '../../errors/coded-error.js'
import { eventually, testAmqpUrl } from '../helpers/rabbit.js'
import { begin, broker, created, delivered, exchange, lines, publishMany, queue, ready, take } from './listen-bench.js'

describe('listen, when something goes wrong', () => {
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

  it('acknowledges nothing on a channel that is closing, and goes on', async () => {
    const temporal: { tries: number; accept: () => void } = { tries: 0, accept: () => undefined }
    const listener = begin({
      pace: { holdMs: 200 },
      deliver: async (delivery) => {
        temporal.tries += 1
        if (temporal.tries === 1) throw new CodedError('CK-TEMPORAL-UNAVAILABLE', 'away')
        if (temporal.tries === 2) await new Promise<void>((accept) => (temporal.accept = accept))
        delivered.push(delivery)
      },
    })
    const { push } = lines
    lines.push = (...told) => {
      // Temporal accepts just after the channel was asked to close
      if (told.some(({ message }) => message.startsWith('gave the unacknowledged'))) setImmediate(temporal.accept)
      return push.apply(lines, told)
    }
    await listener.started
    await broker.publish(exchange, created(randomUUID(), 'm-1'))
    await eventually(async () => delivered.length === 2 && (await ready()) === 0)
    expect(delivered.map(({ hints }) => hints.map(({ messageId }) => messageId))).toEqual([['m-1'], ['m-1']])
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
