import { connect } from 'amqplib'
import { deadQueueName } from '../listener/dead-queue-name.js'

/** How many listeners read the queue; 0 also while there is none. */
export async function consumersOf(url: string, queue: string): Promise<number> {
  const connection = await connect(url)
  try {
    const channel = await connection.createChannel()
    channel.on('error', () => undefined) // the broker closes a channel that asks for what is not there
    try {
      return (await channel.checkQueue(queue)).consumerCount
    } catch {
      return 0 // there is no such queue yet
    }
  } finally {
    await connection.close()
  }
}

/** Removes our queue and the one for what could not be read; the cloud's own things are the sandbox's to remove. */
export async function removeQueues(url: string, queue: string): Promise<void> {
  const connection = await connect(url)
  try {
    const channel = await connection.createChannel()
    await channel.deleteQueue(queue)
    await channel.deleteQueue(deadQueueName(queue))
  } finally {
    await connection.close()
  }
}
