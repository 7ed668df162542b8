/** `doctor` on a real broker and a real Temporal, with namespaces, exchanges and queues of its own. */
import { randomUUID } from 'node:crypto'
import { Client, Connection } from '@temporalio/client'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { agentsServing } from '../../cli/agents-serving.js'
import { createNamespace, prepareNamespace, removeNamespace } from '../../setup/temporal-namespace.js'
import { toPolicies, policiesOptions } from '../../policy/options.js'
import { pollersOf } from '../../worker/pollers-of.js'
import { applyFirst } from '../../worker/schedules.js'
import { controlQueue, policyWorkflowId } from '../../workflows/messages.js'
import { connectPublisher, testAmqpUrl, type Publisher } from '../helpers/rabbit.js'
import { look } from './doctor-bench.js'

describe('doctor and the broker', () => {
  const checks = ['broker', 'exchanges', 'queue']
  let broker: Publisher
  let exchange: string
  let queue: string
  beforeAll(async () => {
    broker = await connectPublisher()
    exchange = broker.name('doctor')
    queue = broker.name('doctor')
    await broker.declareExchange(exchange)
  })
  afterAll(() => broker.close())

  const ask = (url = testAmqpUrl(), bind = [{ exchange }]) =>
    look({ config: { listen: { queue, bind } }, env: { AMQP_URL: url }, checks })

  it('finds the exchange, misses our queue, and makes neither queue nor binding', async () => {
    const found = await ask()
    expect([found.of('broker'), found.of('exchanges')]).toEqual([['ok'], ['ok']])
    expect(found.of('queue')).toEqual(['warning CK-RABBIT-QUEUE', 'ok'])
    expect(await broker.look(queue)).toBeNull()
  })

  it('names an exchange that does not exist, and does not make it', async () => {
    const missing = `doctor-missing-${randomUUID()}`
    for (let times = 0; times < 2; times += 1) {
      const found = await ask(testAmqpUrl(), [{ exchange }, { exchange: missing }])
      expect(found.of('exchanges')).toEqual(['ok', 'fault CK-RABBIT-EXCHANGE'])
    }
  })

  it('names a queue that nobody reads, and dead letters, and takes none of them', async () => {
    await broker.act(async (channel) => {
      await channel.assertQueue(queue)
      await channel.assertQueue(`${queue}.dead`)
      channel.sendToQueue(`${queue}.dead`, Buffer.from('no notification'))
      // an answered call: the broker has it
      await channel.prefetch(1)
    })
    expect((await ask()).of('queue')).toEqual(['warning CK-LISTENER-AWAY', 'warning CK-NOTIFICATION-UNREADABLE'])
    expect(await broker.look(`${queue}.dead`)).toMatchObject({ ready: 1 })
    await broker.act(async (channel) => {
      await channel.consume(queue, () => undefined)
      expect((await ask()).of('queue')[0]).toBe('ok')
    })
  })

  it('names a wrong password, a vhost that does not exist and a broker that is away', async () => {
    const url = new URL(testAmqpUrl())
    url.password = 'correct-horse-battery'
    const refused = await ask(url.href)
    expect(refused.wrong()).toEqual(['broker fault CK-RABBIT-REFUSED'])
    expect(refused.of('queue')).toEqual(['skipped'])
    expect(JSON.stringify(refused.told)).not.toContain('battery')
    expect((await ask(`${testAmqpUrl().replace(/\/[^/]*$/, '')}/nowhere`)).wrong()).toEqual([
      'broker fault CK-RABBIT-REFUSED',
    ])
    expect((await ask('amqp://127.0.0.1:9/')).wrong()).toEqual(['broker fault CK-RABBIT-UNREACHABLE'])
  })
})

describe('doctor and Temporal', () => {
  const checks = ['temporal', 'attributes', 'workers', 'policies', 'schedules', 'clocks']
  const namespace = `doctor-${randomUUID()}`
  const address = process.env['TEMPORAL_ADDRESS'] ?? ''
  const gold = { every: '0 */6 * * *', copies: [{ target: 'cinder' }] }
  let connection: Connection
  let client: Client

  beforeAll(async () => {
    connection = await Connection.connect({ address })
    client = new Client({ connection, namespace })
    await createNamespace(address, namespace)
    // servers hear of a namespace some seconds after it was made
    for (;;) {
      try {
        await client.workflow.count()
        break
      } catch {
        await new Promise((resolve) => setTimeout(resolve, 200))
      }
    }
  })
  afterAll(async () => {
    await connection.close()
    await removeNamespace(address, namespace)
  })

  const ask = (given: { policies?: Record<string, unknown>; now?: () => number } = {}) =>
    look({
      config: { policies: given.policies ?? { gold } },
      env: { TEMPORAL_ADDRESS: address, TEMPORAL_NAMESPACE: namespace },
      checks,
      ...(given.now && { now: given.now }),
    })

  it('names what is missing before the first run, as warnings', async () => {
    expect((await ask()).wrong()).toEqual([
      'temporal warning CK-TEMPORAL-RETENTION',
      'attributes warning CK-TEMPORAL-ATTRIBUTES',
      'workers warning CK-WORKER-AWAY',
      'workers warning CK-WORKER-AWAY',
      'policies warning CK-POLICY-NOT-APPLIED',
    ])
  })

  it('names it as faults once policies are applied', async () => {
    await applyFirst(client, { policies: toPolicies(policiesOptions.parse({ gold })), reconcileSeconds: 900 })
    expect((await ask()).wrong()).toEqual([
      'temporal warning CK-TEMPORAL-RETENTION',
      'attributes fault CK-TEMPORAL-ATTRIBUTES',
      'workers fault CK-WORKER-AWAY',
      'workers fault CK-WORKER-AWAY',
    ])
  })

  it('finds the attributes once they are registered, and workers that poll', async () => {
    await prepareNamespace(address, namespace)
    const polling = new AbortController()
    const polled = poll(polling.signal)
    await untilPolled()
    const found = await ask()
    expect(found.of('attributes')).toEqual(['ok'])
    expect(found.of('workers')).toEqual(['ok', 'fault CK-WORKER-AWAY'])
    expect([found.of('policies'), found.of('schedules')]).toEqual([['ok'], ['ok']])
    expect(found.of('clocks').at(-1)).toBe('ok')
    polling.abort()
    await polled
  })

  it('finds the agent of a hypervisor by what it asks for', async () => {
    const polling = new AbortController()
    const polled = poll(polling.signal, 'quiesce@compute-1')
    await untilPolled('quiesce@compute-1', 'activity')
    const serving = await agentsServing(client, ['compute-1', 'compute-2', 'compute-1'])
    expect([...serving]).toEqual([
      ['compute-1', true],
      ['compute-2', false],
    ])
    polling.abort()
    await polled
  })

  it('names a clock that is off, in both directions', async () => {
    for (const minutes of [30, -30]) {
      const found = await ask({ now: () => Date.now() + minutes * 60_000 })
      expect(found.of('clocks').at(-1)).toBe('fault CK-CLOCK')
    }
  })

  it('names policies and schedules that are not those of the file', async () => {
    const policies = { gold: { ...gold, settle: '5m' }, silver: { ...gold, where: { name: 's*' } } }
    const found = await ask({ policies })
    expect(found.of('policies')).toEqual(['fault CK-POLICY-DIFFERS'])
    expect(found.told.find(({ check }) => check === 'policies')?.what).toMatch(/gold is changed, silver is added/)
    expect(found.of('schedules')).toContain('fault CK-SCHEDULE-MISSING')
  })

  it('names a schedule that is paused', async () => {
    await client.schedule.getHandle(policyWorkflowId('gold')).pause('a migration')
    expect((await ask()).of('schedules')).toEqual(['warning CK-SCHEDULE-PAUSED'])
  })

  it('names a namespace that does not exist and a server that is away, and skips the rest', async () => {
    const env = { TEMPORAL_ADDRESS: address, TEMPORAL_NAMESPACE: `doctor-nowhere-${randomUUID()}` }
    const nowhere = await look({ env, checks })
    expect(nowhere.wrong()).toEqual(['temporal fault CK-TEMPORAL-NAMESPACE'])
    const away = await look({ env: { ...env, TEMPORAL_ADDRESS: '127.0.0.1:9' }, checks })
    expect(away.wrong()).toEqual(['temporal fault CK-TEMPORAL-UNREACHABLE'])
    expect(away.of('policies')).toEqual(['skipped'])
  })

  /** As a worker of workflows does, or as one of the acts of another queue. */
  async function poll(signal: AbortSignal, queue = controlQueue): Promise<void> {
    const request = { namespace, taskQueue: { name: queue }, identity: 'doctor test' }
    while (!signal.aborted) {
      // refused as long as the server has not heard of the namespace everywhere, and with a deadline that is too near
      await connection
        .withDeadline(Date.now() + 60_000, () =>
          connection.withAbortSignal(signal, async (): Promise<unknown> =>
            queue === controlQueue
              ? client.workflowService.pollWorkflowTaskQueue(request)
              : client.workflowService.pollActivityTaskQueue(request),
          ),
        )
        .catch(() => new Promise((resolve) => setTimeout(resolve, 100)))
    }
  }

  async function untilPolled(queue = controlQueue, kind: 'workflow' | 'activity' = 'workflow'): Promise<void> {
    for (;;) {
      if ((await pollersOf(client, queue, kind)).length > 0) return
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
  }
})
