import type { Channel, ConsumeMessage } from 'amqplib'
import { CodedError } from '../errors/coded-error.js'
import type { Log } from '../log/log.js'
import type { BrokerConnection } from './connect.js'
import type { NeededConnection } from './connect-when-needed.js'
import { deadLetter } from './dead-letter.js'
import { decode, type Notification } from './envelope.js'
import { pauseFor, type HandOver } from './hand-over.js'
import type { ListenOptions } from './options.js'
import { closeQuietly } from './own-channel.js'
import { route } from './route.js'
import type { ListenerStats } from './stats.js'
import type { Pace } from './pace.js'
import { subjectOf } from './subject-of.js'
import { whenAborted } from './when-aborted.js'

export interface Consumption {
  connection: BrokerConnection
  /**
   * What dead letters are published on: a broker that is short of memory or disk reads nothing more of a connection that
   * published, so acknowledgements on it would wait.
   */
  publishing: NeededConnection
  options: ListenOptions
  /** The events that some policy is `on`. */
  events: ReadonlySet<string>
  handOver: HandOver
  stats: ListenerStats
  pace: Pace
  log: Log
  /** Aborted when the listener shall stop. */
  stopAt: AbortSignal
  /** Called when the broker has accepted us as a consumer. */
  tellStarted: () => void
}

/**
 * Takes notifications off our queue until told to stop (`stopped`), until the channel or connection ended (`lost`), or
 * until Temporal has been away for so long that the messages we hold must go back (`held`). A message is acknowledged
 * when nobody wants it, when Temporal has accepted its last hint, or when it lies in the dead-letter queue; what is not
 * acknowledged goes back to the queue with the channel's end.
 */
export async function consume(consumption: Consumption): Promise<'stopped' | 'lost' | 'held'> {
  const { connection, options, handOver, stats, pace, log } = consumption
  const channel = await connection.model.createChannel()
  const ended = watch(channel, log)
  const tasks = new AbortController()
  try {
    await channel.prefetch(options.prefetch)
    const take = taker(consumption, channel, ended, tasks.signal)
    for (;;) {
      const cancelled = once()
      const { consumerTag } = await channel.consume(options.queue, (message) => {
        if (message) take(message)
        else cancelled.fire('lost') // the broker cancelled us: the queue was deleted, or its node went away
      })
      stats.state = 'consuming'
      consumption.tellStarted()
      const stopped = whenAborted(consumption.stopAt)
      const event = await Promise.race([ended.lost, cancelled.fired, stopped, trouble(handOver)])
      if (event !== 'trouble') {
        if (event === 'stopped') await stopTaking(channel, consumerTag, ended.lost)
        if (event === 'stopped') await handOver.stop()
        return event
      }
      stats.state = 'waiting'
      await stopTaking(channel, consumerTag, ended.lost)
      const held = hold(pace.holdMs, tasks.signal)
      const after = await Promise.race([ended.lost, stopped, held, accepting(handOver)])
      if (after === 'held') log.warn({}, 'gave the unacknowledged notifications back to the queue')
      if (after !== 'accepting') return after
    }
  } finally {
    tasks.abort()
    if (ended.leave()) await closeQuietly(channel)
    handOver.forget()
  }
}

/** Cancels the consumer; what the broker sent before still comes and is held, at most the prefetch. */
async function stopTaking(channel: Channel, consumerTag: string, lost: Promise<'lost'>): Promise<void> {
  await Promise.race([channel.cancel(consumerTag), lost])
}

function taker(
  { publishing, options, events, handOver, stats, pace, log }: Consumption,
  channel: Channel,
  ended: Ended,
  signal: AbortSignal,
): (message: ConsumeMessage) => void {
  /** Dead letters one after the other: they are few, and each opens a channel. */
  let burials = Promise.resolve()

  function acknowledge(message: ConsumeMessage): void {
    // after the channel's end the broker gives the message out again, and the workflow knows its id
    if (ended.isOpen()) channel.ack(message)
  }

  async function bury(message: ConsumeMessage, reason: CodedError): Promise<void> {
    while (ended.isOpen()) {
      try {
        await deadLetter(await publishing.open(), options, message, reason)
        stats.dead += 1
        log.warn({ ...addressOf(message), code: reason.code }, `${reason.message}; it is in the dead-letter queue`)
        acknowledge(message)
        return
      } catch (error) {
        if (!ended.isOpen()) return
        log.error({ ...addressOf(message), err: error }, 'a notification could not be put into the dead-letter queue')
        await pauseFor(pace.maxRetryMs, signal)
      }
    }
  }

  return (message) => {
    stats.seen += 1
    let notification: Notification
    try {
      notification = decode(message.content)
    } catch (error) {
      if (!(error instanceof CodedError)) throw error
      burials = burials.then(() => bury(message, error))
      return
    }
    const hints = route(notification, events)
    if (hints === null) {
      stats.ignored += 1
      acknowledge(message)
      return
    }
    let open = hints.length
    for (const hint of hints) {
      stats.hinted += 1
      log.debug({ ...subjectOf(hint.workflowId), event: hint.hint.event, message_id: hint.hint.messageId }, 'a hint')
      handOver.add(hint, () => {
        open -= 1
        if (open === 0) acknowledge(message)
      })
    }
  }
}

/** Where a message came from: all that may be told of one that cannot be read. */
function addressOf({ fields }: ConsumeMessage): { exchange: string; routing_key: string } {
  return { exchange: fields.exchange, routing_key: fields.routingKey }
}

interface Ended {
  lost: Promise<'lost'>
  isOpen(): boolean
  /** From now on nothing is acknowledged: on a channel that is closing that throws. Returns whether it was open. */
  leave(): boolean
}

function watch(channel: Channel, log: Log): Ended {
  let open = true
  channel.on('error', (error: Error) => {
    log.warn({ err: error }, 'the broker closed our channel')
  })
  const lost = new Promise<'lost'>((resolve) => {
    channel.on('close', () => {
      open = false
      resolve('lost')
    })
  })
  function leave(): boolean {
    const wasOpen = open
    open = false
    return wasOpen
  }
  return { lost, isOpen: () => open, leave }
}

function once(): { fired: Promise<'lost'>; fire: (value: 'lost') => void } {
  let fire: (value: 'lost') => void = () => undefined
  const fired = new Promise<'lost'>((resolve) => (fire = resolve))
  return { fired, fire }
}

async function trouble(handOver: HandOver): Promise<'trouble'> {
  await handOver.troubled()
  return 'trouble'
}

async function accepting(handOver: HandOver): Promise<'accepting'> {
  await handOver.accepting()
  return 'accepting'
}

async function hold(ms: number, signal: AbortSignal): Promise<'held'> {
  await pauseFor(ms, signal)
  return 'held'
}
