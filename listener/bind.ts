import { CodedError } from '../errors/coded-error.js'
import type { BrokerConnection } from './connect.js'
import type { ListenOptions } from './options.js'
import { onOwnChannel, replyCode } from './own-channel.js'

/** Of what publishers send, everything that a policy may be `on` has this priority; errors concern no volume. */
const priority = 'info'

/**
 * Binds our queue to `<topic>.info` of each exchange that exists; doing so again changes nothing. Exchanges are only
 * looked at, never declared: the publisher decides whether its exchange is durable. A broker's restart takes a
 * non-durable exchange and our binding with it, so this runs after each connect and every minute.
 * @returns what could not be bound, by exchange
 */
export async function bindTopics(
  connection: BrokerConnection,
  options: ListenOptions,
): Promise<Map<string, CodedError>> {
  const unbound = new Map<string, CodedError>()
  for (const { exchange, topics } of options.bind) {
    try {
      await onOwnChannel(connection.model.createChannel(), async (channel) => {
        await channel.checkExchange(exchange)
        for (const topic of topics) await channel.bindQueue(options.queue, exchange, `${topic}.${priority}`)
      })
    } catch (error) {
      const code = replyCode(error)
      if (code === 404 && !isAboutQueue(error)) unbound.set(exchange, missing(exchange, connection.host, error))
      else if (code === 403) unbound.set(exchange, forbidden(exchange, options.queue, connection.host, error))
      else throw error
    }
  }
  return unbound
}

/** Our queue was deleted this moment: AMQP's code is the same as for an exchange. */
function isAboutQueue(error: unknown): boolean {
  return error instanceof Error && error.message.includes('no queue')
}

function missing(exchange: string, host: string, cause: unknown): CodedError {
  const [publisher, file] = exchange === 'nova' ? ['Nova', 'nova.conf'] : ['Cinder', 'cinder.conf']
  const who = exchange === 'nova' || exchange === 'openstack' ? publisher : 'Its publisher'
  const where = exchange === 'nova' || exchange === 'openstack' ? file : 'its configuration'
  return new CodedError('CK-RABBIT-EXCHANGE', `exchange "${exchange}" does not exist on ${host}`, {
    cure:
      `${who} has not published yet, or publishes on another exchange.\n` +
      `See [oslo_messaging_notifications] and control_exchange in ${where}, or remove it from listen.bind.`,
    cause,
  })
}

function forbidden(exchange: string, queue: string, host: string, cause: unknown): CodedError {
  const what = `queue "${queue}" may not be bound to exchange "${exchange}" on ${host}`
  return new CodedError('CK-RABBIT-FORBIDDEN', what, {
    cure: `Give our user read on exchange "${exchange}" and write on queue "${queue}" (rabbitmqctl set_permissions).`,
    cause,
  })
}
