import { connect, type ConfirmChannel } from 'amqplib'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { createLog } from '../log/log.js'
import { deadQueueName } from '../listener/dead-queue-name.js'
import { connectBroker } from '../listener/connect.js'
import { listenOptions } from '../listener/options.js'
import { ensureOwnQueue } from '../listener/own-queue.js'

/** An exchange as a cloud has one, and queues on it of the kind that our listener makes. */
export interface BenchBroker {
  exchange: string
  /** Makes a queue as our listener does and binds it. */
  makeQueue(): Promise<string>
  /** Returns when the broker has them all, and the queue shows them as ready. */
  fill(queue: string, bodies: Buffer[]): Promise<void>
  /** Publishes to all queues; does not wait. */
  publish(body: Buffer): void
  /** Removes the exchange and the queues. */
  close(): Promise<void>
}

export async function openBroker(amqpUrl: string): Promise<BenchBroker> {
  const exchange = `ck-bench-${randomUUID()}`
  const queues: string[] = []
  const broker = await connect(amqpUrl, { noDelay: true })
  const channel = await broker.createConfirmChannel()
  await channel.assertExchange(exchange, 'topic', { durable: false })
  const routingKey = 'notifications.info'
  return {
    exchange,
    async makeQueue() {
      const queue = `ck-bench-${randomUUID()}`
      const options = listenOptions.parse({ url: amqpUrl, queue })
      const ours = await connectBroker(options, createLog('error'), new AbortController().signal)
      await ensureOwnQueue(ours, options)
      await ours.model.close()
      await channel.bindQueue(queue, exchange, routingKey)
      queues.push(queue)
      return queue
    },
    async fill(queue, bodies) {
      for (const body of bodies) await send(channel, queue, body)
      await channel.waitForConfirms()
      while ((await channel.checkQueue(queue)).messageCount < bodies.length) await sleep(20)
    },
    publish(body) {
      channel.publish(exchange, routingKey, body, { persistent: true, contentType: 'application/json' })
    },
    async close() {
      for (const queue of queues) {
        await channel.deleteQueue(queue)
        await channel.deleteQueue(deadQueueName(queue))
      }
      await channel.deleteExchange(exchange)
      await broker.close()
    },
  }
}

/** Straight into one queue. */
async function send(channel: ConfirmChannel, queue: string, body: Buffer): Promise<void> {
  if (channel.sendToQueue(queue, body, { persistent: true, contentType: 'application/json' })) return
  await once(channel, 'drain')
}
