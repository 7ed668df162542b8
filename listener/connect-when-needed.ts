import type { BrokerConnection } from './connect.js'
import { closeQuietly } from './own-channel.js'

/** A connection that is opened when it is first needed, and again after it was lost. */
export interface NeededConnection {
  open(): Promise<BrokerConnection>
  close(): Promise<void>
}

export function connectWhenNeeded(connect: () => Promise<BrokerConnection>): NeededConnection {
  let opening: Promise<BrokerConnection | null> = Promise.resolve(null)
  return {
    async open() {
      const known = await opening
      if (known?.isOpen() === true) return known
      const connecting = connect()
      opening = connecting.catch(() => null)
      return connecting
    },
    async close() {
      const connection = await opening
      // amqplib ends one that the broker has blocked without waiting for an answer
      if (connection?.isOpen() === true) await closeQuietly(connection.model)
    },
  }
}
