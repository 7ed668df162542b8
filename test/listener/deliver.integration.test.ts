import { Client, Connection } from '@temporalio/client'
import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createDeliver } from '../../listener/deliver.js'
import type { Hint } from '../../workflows/messages.js'
import { connectTemporal, type TestTemporal } from '../helpers/temporal.js'

let temporal: TestTemporal
const volumes: string[] = []

beforeAll(async () => {
  temporal = await connectTemporal()
})

afterAll(async () => {
  for (const volume of volumes)
    await temporal.client.workflow.getHandle(`volume/${volume}`).terminate('end of the test')
  await temporal.close()
})

const hint = (messageId: string, event = 'volume.create.end'): Hint => ({ messageId, event })

/** What the volume's workflow was started as and signalled with; nothing runs it here. */
async function historyOf(volume: string): Promise<{ type: unknown; queue: unknown; signals: unknown[] }> {
  const { events } = await temporal.client.workflow.getHandle(`volume/${volume}`).fetchHistory()
  const started = events?.[0]?.workflowExecutionStartedEventAttributes
  const signals = (events ?? []).flatMap(({ workflowExecutionSignaledEventAttributes: signal }) => {
    const data = signal?.input?.payloads?.[0]?.data
    return data ? [{ [String(signal.signalName)]: JSON.parse(Buffer.from(data).toString()) as unknown }] : []
  })
  return { type: started?.workflowType?.name, queue: started?.taskQueue?.name, signals }
}

describe('createDeliver', () => {
  it('starts the workflow of a volume that it does not know, with the signal, and signals it from then on', async () => {
    const deliver = createDeliver(temporal.client)
    const volumeId = randomUUID()
    volumes.push(volumeId)
    await deliver({ workflowId: `volume/${volumeId}`, hints: [hint('m-1'), hint('m-2')], start: true })
    await deliver({ workflowId: `volume/${volumeId}`, hints: [hint('m-3')], start: true })
    await deliver({ workflowId: `volume/${volumeId}`, hints: [hint('m-4', 'volume.delete.end')], start: false })
    expect(await historyOf(volumeId)).toEqual({
      type: 'watchVolume',
      queue: 'control',
      signals: [
        { hint: [hint('m-1'), hint('m-2')] },
        { hint: [hint('m-3')] },
        { hint: [hint('m-4', 'volume.delete.end')] },
      ],
    })
  })

  it('starts nothing for a fact of a volume that nobody keeps', async () => {
    const volumeId = randomUUID()
    await createDeliver(temporal.client)({
      workflowId: `volume/${volumeId}`,
      hints: [hint('m-1', 'volume.delete.end')],
      start: false,
    })
    await expect(temporal.client.workflow.getHandle(`volume/${volumeId}`).describe()).rejects.toThrow(/not found/i)
  })

  it('tells a namespace that does not exist as refused, with the cure', async () => {
    const client = new Client({ connection: temporal.client.connection, namespace: `ck-none-${randomUUID()}` })
    for (const start of [true, false]) {
      await expect(
        createDeliver(client)({ workflowId: `volume/${randomUUID()}`, hints: [hint('m-1')], start }),
      ).rejects.toMatchObject({
        code: 'CK-TEMPORAL-REFUSED',
        cure: expect.stringContaining('TEMPORAL_NAMESPACE') as string,
      })
    }
  })

  it('tells INVALID_ARGUMENT as refused, with the cure', async () => {
    const tooLong = 'x'.repeat(1200)
    const delivery = { workflowId: `volume/${tooLong}`, hints: [hint('m-1')], start: true }
    await expect(createDeliver(temporal.client)(delivery)).rejects.toMatchObject({
      code: 'CK-TEMPORAL-REFUSED',
      message: expect.stringContaining('INVALID_ARGUMENT') as string,
      cure: expect.stringContaining('search attribute') as string,
    })
  })

  it('tells a server that is away as unavailable, within a bounded time', async () => {
    const connection = Connection.lazy({ address: '127.0.0.1:1' })
    const client = new Client({ connection, namespace: 'default' })
    const delivery = { workflowId: `volume/${randomUUID()}`, hints: [hint('m-1')], start: true }
    await expect(createDeliver(client)(delivery)).rejects.toMatchObject({ code: 'CK-TEMPORAL-UNAVAILABLE' })
    await connection.close()
  })
})
