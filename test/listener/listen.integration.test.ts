import { randomUUID } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { CodedError } from '../../errors/coded-error.js'
import type { Deliver } from '../../listener/hand-over.js'
import { eventually } from '../helpers/rabbit.js'
import { bodyOf, captures, notification } from './fixtures.js'
import { begin, broker, created, delivered, exchange, lines, ready, refusalOf } from './listen-bench.js'

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
      workflowId: `volume/${volume}`,
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
    // the broker takes back what was not acknowledged a moment after the connection's end
    await eventually(async () => (await ready()) === 1)
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
      // while one is on its way the others gather
      deliver: async (delivery) => {
        delivered.push(delivery)
        await eventually(() => listener.stats().seen > 10)
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
})
