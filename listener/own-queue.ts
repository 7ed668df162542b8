import type { Options } from 'amqplib'
import { CodedError } from '../errors/coded-error.js'
import type { BrokerConnection } from './connect.js'
import { deadQueueName } from './dead-queue-name.js'
import type { ListenOptions } from './options.js'
import { onOwnChannel, replyCode } from './own-channel.js'

/**
 * A quorum queue drops a message that was given out this many times without an acknowledgement (RabbitMQ 4 does so
 * after 20 unless told otherwise). Ours come back only when a process of ours or the broker ended in between: enough for
 * a bad night, few enough for a message that kills us not to do so for ever.
 */
const deliveryLimit = 100
/** Dead letters are few and small; a publisher gone mad must not fill the broker through us. */
const deadLimits = { maxBytes: 16_777_216, messageTtlSeconds: 1_209_600 }

/**
 * Makes our queue when it does not exist. An existing one is used as it is: a declare that differs would be refused, and
 * AMQP does not tell what it was made with.
 * @returns what it was made as, or that it existed
 * @throws CodedError `CK-RABBIT-QUEUE`
 */
export async function ensureOwnQueue(
  connection: BrokerConnection,
  options: ListenOptions,
): Promise<'existed' | 'quorum' | 'classic'> {
  const { queue, maxBytes, messageTtlSeconds } = options
  if (await exists(connection, queue)) return 'existed'
  const kind = options.quorum === 'auto' && offersQuorum(connection) ? 'quorum' : 'classic'
  await declare(connection, queue, bounded({ maxBytes, messageTtlSeconds }, kind))
  return kind
}

/** @throws CodedError `CK-RABBIT-QUEUE` */
export async function ensureDeadQueue(connection: BrokerConnection, options: ListenOptions): Promise<string> {
  const queue = deadQueueName(options.queue)
  if (!(await exists(connection, queue))) await declare(connection, queue, bounded(deadLimits, 'classic'))
  return queue
}

/** Quorum queues know a message TTL from 3.10 on (earlier ones refuse the argument). */
function offersQuorum({ product, version }: BrokerConnection): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  return product === 'RabbitMQ' && (major > 3 || (major === 3 && minor >= 10))
}

function bounded(
  limits: { maxBytes: number; messageTtlSeconds: number },
  kind: 'quorum' | 'classic',
): Options.AssertQueue {
  return {
    durable: true,
    arguments: {
      'x-queue-type': kind,
      'x-max-length-bytes': limits.maxBytes,
      'x-overflow': 'drop-head',
      'x-message-ttl': limits.messageTtlSeconds * 1000,
      ...(kind === 'quorum' && { 'x-delivery-limit': deliveryLimit }),
    },
  }
}

async function exists(connection: BrokerConnection, queue: string): Promise<boolean> {
  try {
    await onOwnChannel(connection.model.createChannel(), (channel) => channel.checkQueue(queue))
    return true
  } catch (error) {
    if (replyCode(error) === 404) return false
    throw refused(connection, queue, error)
  }
}

async function declare(connection: BrokerConnection, queue: string, arguments_: Options.AssertQueue): Promise<void> {
  try {
    await onOwnChannel(connection.model.createChannel(), (channel) => channel.assertQueue(queue, arguments_))
  } catch (error) {
    throw refused(connection, queue, error)
  }
}

function refused({ host }: BrokerConnection, queue: string, error: unknown): unknown {
  const code = replyCode(error)
  if (code === undefined) return error
  const cure =
    code === 403
      ? `Give our user configure, write and read on "${queue}" and its ".dead", read on the exchanges of listen.bind, and ` +
        'write on "amq.default" (rabbitmqctl set_permissions).'
      : 'See the broker’s log. Another program may own a queue of this name: choose another listen.queue.'
  const what = error instanceof Error ? error.message : String(error)
  return new CodedError('CK-RABBIT-QUEUE', `the queue "${queue}" cannot be used on ${host}: ${what}`, {
    cure,
    cause: error,
  })
}
