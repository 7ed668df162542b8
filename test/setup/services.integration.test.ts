import { Connection } from '@temporalio/client'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { answersAmqp } from '../../setup/amqp.js'
import { findRabbitCommand, startRabbit } from '../../setup/rabbitmq-server.js'
import { findRabbit } from '../../setup/rabbitmq.js'
import { findTemporal } from '../../setup/temporal.js'
import { searchAttributes } from '../../workflows/search-attributes.js'

describe('the services that setup finds', () => {
  afterEach(() => {
    vi.unstubAllEnvs()
  })

  it('are, for Temporal, a namespace of our own in a server that was there, with our columns; later it is gone', async () => {
    const temporal = await findTemporal({ purpose: 'own' })
    expect(temporal.address).toBe(process.env['TEMPORAL_ADDRESS'])
    const connection = await Connection.connect({ address: temporal.address })
    try {
      const { customAttributes } = await connection.operatorService.listSearchAttributes({
        namespace: temporal.namespace,
      })
      expect(Object.keys(customAttributes)).toEqual(
        expect.arrayContaining(Object.values(searchAttributes).map(({ name }) => name)),
      )
      await temporal.stop()
      const asked = connection.workflowService.describeNamespace({ namespace: temporal.namespace })
      await expect(asked).rejects.toThrow(/not found/i)
    } finally {
      await connection.close()
    }
  })

  it('refuse a TEMPORAL_ADDRESS where nothing answers, and say what to do', async () => {
    vi.stubEnv('TEMPORAL_ADDRESS', '127.0.0.1:9')
    await expect(findTemporal({ purpose: 'none' })).rejects.toMatchObject({ code: 'CK-SETUP-TEMPORAL' })
  })

  it('refuse an AMQP_URL where nothing answers, and do not name its password', async () => {
    vi.stubEnv('AMQP_URL', 'amqp://someone:hunter2@127.0.0.1:9/')
    const error: unknown = await findRabbit().catch((caught: unknown) => caught)
    expect(error).toMatchObject({ code: 'CK-SETUP-RABBIT' })
    expect(String(error)).not.toContain('hunter2')
  })

  it('are, for RabbitMQ, a broker beside the one that runs, which ends when asked to', async () => {
    const command = findRabbitCommand()
    if (command === null) throw new Error('rabbitmq-server is not installed: npm test installs it when root')
    const broker = await startRabbit(command)
    expect(broker.url).not.toBe(process.env['AMQP_URL'])
    expect(await answersAmqp(broker.url)).toBe(true)
    await broker.stop()
    expect(await answersAmqp(broker.url)).toBe(false)
  })
})
