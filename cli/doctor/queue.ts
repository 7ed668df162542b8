import type { BrokerConnection } from '../../listener/connect.js'
import { deadQueueName } from '../../listener/dead-queue-name.js'
import { onOwnChannel, replyCode } from '../../listener/own-channel.js'
import { count } from '../words.js'
import { fault, ok, warning, type Check, type Finding } from './check.js'

export interface QueueLook {
  messageCount: number
  consumerCount: number
}

/** Our own queue and its dead letters: whether they are there, read, and what waits in them. */
export const queueCheck: Check = {
  name: 'queue',
  async run({ config, broker, started }) {
    const connection = await broker.need()
    const { queue } = config.listen
    const [ours, dead] = [await look(connection, queue), await look(connection, deadQueueName(queue))]
    return [...judgeQueue(queue, ours, await started()), ...judgeDead(queue, dead)]
  },
}

/** @param started `cinderkeep run` ran here before; it makes the queue */
export function judgeQueue(queue: string, found: QueueLook | null, started: boolean): Finding[] {
  const tell = started ? fault : warning
  if (found === null) {
    const lost = started ? '; what the cloud told meanwhile is lost, which `cinderkeep reconcile` finds' : ''
    return [
      tell(
        'CK-RABBIT-QUEUE',
        `queue "${queue}" does not exist${lost}`,
        'The listener makes it when it starts, and within a minute when it runs: cinderkeep run --role listener',
      ),
    ]
  }
  const waiting = `${count(found.messageCount, 'message waits', 'messages wait')} in it`
  if (found.consumerCount === 0) {
    return [
      tell(
        'CK-LISTENER-AWAY',
        `nobody reads queue "${queue}"; ${waiting}`,
        'Start the listener: cinderkeep run --role listener. If it runs, its log says why it stopped reading.',
      ),
    ]
  }
  return [ok(`queue "${queue}" is read by ${count(found.consumerCount, 'listener')}; ${waiting}`)]
}

export function judgeDead(queue: string, found: QueueLook | null): Finding[] {
  const dead = deadQueueName(queue)
  if (found === null || found.messageCount === 0) return [ok(`no dead letters wait in "${dead}"`)]
  const letters = count(found.messageCount, 'dead letter waits', 'dead letters wait')
  return [
    warning(
      'CK-NOTIFICATION-UNREADABLE',
      `${letters} in queue "${dead}": messages that are no notifications`,
      `Their headers say why (in RabbitMQ's web page, Get messages). When you know who sends them: rabbitmqctl purge_queue ${dead}`,
    ),
  ]
}

async function look({ model }: BrokerConnection, queue: string): Promise<QueueLook | null> {
  try {
    return await onOwnChannel(model.createChannel(), (channel) => channel.checkQueue(queue))
  } catch (error) {
    if (replyCode(error) === 404) return null
    throw error
  }
}
