import type { CodedError } from '../errors/coded-error.js'
import type { BrokerConnection } from './connect.js'
import { bindingForbidden, exchangeMissing } from './binding-errors.js'
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
      if (code === 404 && !isAboutQueue(error)) unbound.set(exchange, exchangeMissing(exchange, connection.host, error))
      else if (code === 403) unbound.set(exchange, bindingForbidden(exchange, options.queue, connection.host, error))
      else throw error
    }
  }
  return unbound
}

/** Our queue was deleted this moment: AMQP's code is the same as for an exchange. */
function isAboutQueue(error: unknown): boolean {
  return error instanceof Error && error.message.includes('no queue')
}
