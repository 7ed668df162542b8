import type { ConsumeMessage } from 'amqplib'
import { CodedError } from '../errors/coded-error.js'
import type { BrokerConnection } from './connect.js'
import { withoutContexts } from './envelope.js'
import type { ListenOptions } from './options.js'
import { onOwnChannel } from './own-channel.js'
import { ensureDeadQueue } from './own-queue.js'

/**
 * Puts what cannot be decoded into the durable queue `<queue>.dead`, the reason in its headers, and returns only when
 * the broker has confirmed it. Request contexts are taken out where the body is JSON; bytes that are not are kept as
 * they are, for the operator, and may hold a token: the queue deserves the same care as the cloud's own.
 * @throws CodedError `CK-RABBIT-DEAD` when the broker did not take it; the message must not be acknowledged then
 */
export async function deadLetter(
  connection: BrokerConnection,
  options: ListenOptions,
  message: ConsumeMessage,
  reason: CodedError,
): Promise<void> {
  const queue = await ensureDeadQueue(connection, options)
  await onOwnChannel(connection.model.createConfirmChannel(), async (channel) => {
    const state = { returned: false }
    channel.on('return', () => (state.returned = true))
    channel.sendToQueue(queue, withoutContexts(message.content) ?? message.content, {
      persistent: true,
      // a queue deleted this very moment would otherwise swallow it, confirmed
      mandatory: true,
      headers: {
        'x-ck-code': reason.code,
        'x-ck-reason': reason.message,
        'x-ck-exchange': message.fields.exchange,
        'x-ck-routing-key': message.fields.routingKey,
        'x-ck-at': new Date().toISOString(),
      },
    })
    await channel.waitForConfirms()
    if (!state.returned) return
    throw new CodedError('CK-RABBIT-DEAD', `the broker gave a dead letter for "${queue}" back`, {
      cure: 'Somebody deletes that queue; it is made anew at the next attempt.',
    })
  })
}
