import { randomUUID } from 'node:crypto'
import type { BrokerConnection } from '../../listener/connect.js'
import { bindingForbidden, exchangeMissing } from '../../listener/binding-errors.js'
import { onOwnChannel, replyCode } from '../../listener/own-channel.js'
import { findingOf, ok, type Check, type Finding } from './check.js'

/** Each exchange of `listen.bind`: whether it exists, and whether our queue may be bound to it. */
export const exchangesCheck: Check = {
  name: 'exchanges',
  async run({ config, broker }) {
    const connection = await broker.need()
    const { bind, queue } = config.listen
    return Promise.all(bind.map(({ exchange }) => look(connection, exchange, queue)))
  },
}

async function look(connection: BrokerConnection, exchange: string, queue: string): Promise<Finding> {
  const { host, model } = connection
  try {
    await onOwnChannel(model.createChannel(), (channel) => channel.checkExchange(exchange))
  } catch (error) {
    return findingOf(replyCode(error) === 404 ? exchangeMissing(exchange, host, error) : error)
  }
  try {
    // a binding that never was is asked to be undone: the broker looks at the rights first, and then does nothing
    await onOwnChannel(model.createChannel(), (channel) =>
      channel.unbindQueue(queue, exchange, `cinderkeep-doctor-${randomUUID()}`),
    )
  } catch (error) {
    if (replyCode(error) === 403) return findingOf(bindingForbidden(exchange, queue, host, error))
    // older brokers say so of a queue that is not there
    if (replyCode(error) !== 404) throw error
  }
  return ok(`exchange "${exchange}" exists, and queue "${queue}" may be bound to it`)
}
