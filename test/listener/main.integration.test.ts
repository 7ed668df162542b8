import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { runListener } from '../../listener/main.js'
import { listenOptions } from '../../listener/options.js'
import { silentLog } from '../../log/log.js'
import { connectPublisher, eventually, testAmqpUrl, type Publisher } from '../helpers/rabbit.js'
import { connectTemporal, type TestTemporal } from '../helpers/temporal.js'
import { notification } from './fixtures.js'

let temporal: TestTemporal
let broker: Publisher
const volume = randomUUID()
const events = new Set(['volume.create.end'])

beforeAll(async () => {
  temporal = await connectTemporal()
  broker = await connectPublisher()
})

afterAll(async () => {
  await temporal.client.workflow.getHandle(`volume/${volume}`).terminate('end of the test')
  await broker.close()
  await temporal.close()
})

describe('runListener', () => {
  it('turns a notification on the real broker into a signal of the volume’s workflow', async () => {
    const exchange = broker.name('ck-test-openstack')
    const queue = broker.name('ck-test-queue')
    await broker.declareExchange(exchange)
    const options = listenOptions.parse({ url: testAmqpUrl(), queue, bind: [{ exchange }] })
    const listener = await runListener({ options, client: temporal.client, events, log: silentLog })
    await listener.started
    const payload = { volume_id: volume }
    await broker.publish(exchange, notification({ message_id: 'm-1', event_type: 'volume.create.end', payload }))
    await eventually(() => listener.stats().signalled === 1)
    await listener.stop()
    const { events: history } = await temporal.client.workflow.getHandle(`volume/${volume}`).fetchHistory()
    expect(history?.some((event) => event.workflowExecutionSignaledEventAttributes?.signalName === 'hint')).toBe(true)
    expect(await broker.look(queue)).toEqual({ ready: 0, consumers: 0 })
  })

  const wrong: [string, string, object][] = [
    ['has no broker', 'CK-RABBIT-URL', {}],
    ['has a broker that cannot be read', 'CK-RABBIT-URL', { url: 'amqp://a,,b/' }],
    [
      'names a password file that is not there',
      'CK-RABBIT-FILE',
      { url: testAmqpUrl(), passwordFile: '/nonexistent/pw' },
    ],
  ]
  for (const [what, code, given] of wrong) {
    it(`does not begin when the configuration ${what}`, async () => {
      const options = listenOptions.parse(given)
      const begun = runListener({ options, client: temporal.client, events, log: silentLog })
      await expect(begun).rejects.toMatchObject({ code })
    })
  }
})
