import { randomUUID } from 'node:crypto'
import { connect } from 'amqplib'
import type { Log } from '../log/log.js'
import type { Caller } from './cloud.js'
import type { Faults } from './faults.js'

/** What was published, in the order in which it was. */
export interface Published {
  exchange: string
  routingKey: string
  publisherId: string
  eventType: string
  payload: Record<string, unknown>
  messageId: string
  priority: Priority
  /** `req-…` of the request to the service itself, and of that which made it ask: `_context_(global_)request_id`. */
  requestId: string
  globalRequestId: string | null
}

export type Priority = 'INFO' | 'ERROR'

/** Where a notification goes: each service has its exchange. */
export interface Destination {
  service: 'cinder' | 'nova'
  priority: Priority
}

export interface Notifier {
  /** Enters a notification into the queue of those to publish; never throws, as oslo.messaging's never does. */
  publish(
    caller: Caller,
    publisherId: string,
    eventType: string,
    payload: Record<string, unknown>,
    to?: Destination,
  ): void
  published: Published[]
  /** Resolves when all that was entered has reached the broker; held ones excepted. */
  settled(): Promise<void>
  close(): Promise<void>
}

interface Wire {
  send(exchange: string, routingKey: string, body: Buffer): Promise<void>
  close(): Promise<void>
}

/**
 * Publishes as oslo.messaging's rabbit driver does: a non-durable topic exchange for each service, and beside it a queue
 * named after the routing key. Without a broker the notifications are only remembered.
 */
export async function createNotifier(
  options: { amqpUrl: string | undefined; exchange: string; novaExchange: string; topic: string },
  faults: Faults,
  log: Log,
): Promise<Notifier> {
  const wire = options.amqpUrl === undefined ? undefined : await openWire(options.amqpUrl, options, log)
  const published: Published[] = []
  let queue = Promise.resolve()
  const held: { message: Published; body: Buffer; by: number }[] = []

  const put = (message: Published, body: Buffer): void => {
    published.push(message)
    if (wire === undefined) return
    queue = queue
      .then(() => wire.send(message.exchange, message.routingKey, body))
      .catch((error: unknown) => {
        log.error({ err: error }, `notification ${message.eventType} was not published`)
      })
  }

  return {
    published,
    publish(caller, publisherId, eventType, payload, { service, priority } = { service: 'cinder', priority: 'INFO' }) {
      const message: Published = {
        exchange: service === 'cinder' ? options.exchange : options.novaExchange,
        routingKey: `${options.topic}.${priority.toLowerCase()}`,
        publisherId,
        eventType,
        payload,
        messageId: randomUUID(),
        priority,
        requestId: caller.requestId,
        globalRequestId: caller.globalRequestId,
      }
      const body = Buffer.from(JSON.stringify(envelope(caller, message)))
      const fault = faults.strike(
        ['lose-notification', 'double-notification', 'hold-notification'],
        (candidate) => candidate.event === undefined || candidate.event === eventType,
      )
      if (fault?.kind === 'lose-notification') return
      if (fault?.kind === 'hold-notification') {
        held.push({ message, body, by: fault.by ?? 1 })
        return
      }
      put(message, body)
      if (fault?.kind === 'double-notification') put(message, body)
      for (const entry of [...held]) {
        entry.by -= 1
        if (entry.by > 0) continue
        held.splice(held.indexOf(entry), 1)
        put(entry.message, entry.body)
      }
    },
    settled: () => queue,
    async close() {
      await queue
      await wire?.close()
    },
  }
}

async function openWire(
  amqpUrl: string,
  options: { exchange: string; novaExchange: string; topic: string },
  log: Log,
): Promise<Wire> {
  const connection = await connect(amqpUrl)
  connection.on('error', (error: unknown) => {
    log.error({ err: error }, 'the broker closed the connection of the sandbox')
  })
  const channel = await connection.createConfirmChannel()
  const exchanges = [options.exchange, options.novaExchange]
  for (const exchange of exchanges)
    await channel.assertExchange(exchange, 'topic', { durable: false, autoDelete: false })
  const queueNames = [`${options.topic}.info`, `${options.topic}.error`]
  const madeQueues: string[] = []
  for (const queueName of queueNames) {
    if (!(await queueExists(queueName))) {
      await channel.assertQueue(queueName, { durable: false, autoDelete: false, exclusive: false })
      madeQueues.push(queueName)
    }
    for (const exchange of exchanges) await channel.bindQueue(queueName, exchange, queueName)
  }
  return {
    send: (exchange, routingKey, body) =>
      new Promise((resolve, reject) => {
        const properties = { contentType: 'application/json', contentEncoding: 'utf-8', persistent: true, priority: 0 }
        channel.publish(exchange, routingKey, body, properties, (error: unknown) => {
          if (error === null || error === undefined) resolve()
          else reject(error instanceof Error ? error : new Error('the broker refused the message'))
        })
      }),
    async close() {
      // a queue that was there before us may be ceilometer's
      for (const queueName of queueNames) {
        if (madeQueues.includes(queueName)) await channel.deleteQueue(queueName)
        else for (const exchange of exchanges) await channel.unbindQueue(queueName, exchange, queueName)
      }
      for (const exchange of exchanges) await channel.deleteExchange(exchange)
      await connection.close()
    },
  }

  /** A check that fails closes its channel, so it has one of its own. */
  async function queueExists(queueName: string): Promise<boolean> {
    const probe = await connection.createChannel()
    probe.on('error', () => undefined)
    try {
      await probe.checkQueue(queueName)
    } catch (error) {
      if (error instanceof Error && /404/.test(error.message)) return false
      throw error
    }
    await probe.close()
    return true
  }
}

/** oslo.messaging's version 2 envelope round the notification, with the context beside it (test/fixtures). */
function envelope(caller: Caller, message: Published): unknown {
  const now = new Date().toISOString()
  const inner = {
    message_id: message.messageId,
    publisher_id: message.publisherId,
    event_type: message.eventType,
    priority: message.priority,
    payload: message.payload,
    timestamp: now.replace('T', ' ').replace('Z', '000'),
    _unique_id: randomUUID().replaceAll('-', ''),
    _context_user: caller.userId,
    _context_project_id: caller.projectId,
    _context_system_scope: null,
    _context_project: caller.projectId,
    _context_domain: null,
    _context_user_domain: null,
    _context_project_domain: null,
    _context_is_admin: caller.isAdmin,
    _context_read_only: false,
    _context_show_deleted: false,
    _context_auth_token: null,
    _context_request_id: caller.requestId,
    _context_global_request_id: caller.globalRequestId,
    _context_resource_uuid: null,
    _context_roles: caller.roles,
    _context_user_identity: `${caller.userId} ${caller.projectId} - - -`,
    _context_is_admin_project: true,
    _context_user_id: caller.userId,
    _context_project_name: caller.projectName,
    _context_domain_id: null,
    _context_read_deleted: 'no',
    _context_remote_address: null,
    _context_timestamp: now.replace('Z', '000'),
    _context_quota_class: null,
    _context_service_catalog: [],
    _context_message_resource_id: null,
    _context_message_resource_type: null,
    _context_message_action: null,
  }
  return { 'oslo.version': '2.0', 'oslo.message': JSON.stringify(inner) }
}
