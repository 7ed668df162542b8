import { connect, type Channel, type ChannelModel } from 'amqplib'
import { randomUUID } from 'node:crypto'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { answersAmqp } from '../../setup/amqp.js'
import { findCommand, runCommand } from '../../setup/command.js'
import { freePorts } from '../../setup/ports.js'
import { findRabbitCommand } from '../../setup/rabbitmq-server.js'
import { startServer, waitUntilReady, type ServerProcess } from '../../setup/server-process.js'

/** The broker of the test run. */
export const testAmqpUrl = (): string => process.env['AMQP_URL'] ?? 'amqp://guest:guest@127.0.0.1:5672/'

/** A publisher as oslo.messaging is one, and a look at what lies in the broker. */
export interface Publisher {
  /** A name that no other test uses; exchanges and queues of these names are removed by `close`. */
  name(prefix: string): string
  /** Declares the topic exchange as oslo.messaging does. */
  declareExchange(exchange: string, durable?: boolean): Promise<void>
  /** Publishes to `<topic>.info` unless another routing key is given; returns when the broker has it. */
  publish(exchange: string, body: Buffer, routingKey?: string): Promise<void>
  /** Messages ready and consumers, or null when there is no such queue. */
  look(queue: string): Promise<{ ready: number; consumers: number } | null>
  /** Runs on a channel of its own, so that a refused act harms nothing. */
  act<T>(work: (channel: Channel) => Promise<T>): Promise<T>
  close(): Promise<void>
}

export async function connectPublisher(url = testAmqpUrl()): Promise<Publisher> {
  const connection = await connect(url)
  // a broker that a test stops takes this connection with it
  connection.on('error', () => undefined)
  const state = { open: true }
  connection.on('close', () => (state.open = false))
  const names: string[] = []
  return {
    name(prefix) {
      const name = `${prefix}-${randomUUID()}`
      names.push(name)
      return name
    },
    declareExchange: (exchange, durable = false) =>
      onChannel(connection, async (channel) => {
        await channel.assertExchange(exchange, 'topic', { durable })
      }),
    publish: (exchange, body, routingKey = 'notifications.info') =>
      onChannel(connection, async (channel) => {
        channel.publish(exchange, routingKey, body, { persistent: true, contentType: 'application/json' })
        // an answered call on the same channel: the broker has routed what came before
        await channel.prefetch(1)
      }),
    async look(queue) {
      try {
        const found = await onChannel(connection, (channel) => channel.checkQueue(queue))
        return { ready: found.messageCount, consumers: found.consumerCount }
      } catch (error) {
        if (error instanceof Error && 'code' in error && error.code === 404) return null
        throw error
      }
    },
    act: (work) => onChannel(connection, work),
    async close() {
      if (!state.open) return
      await onChannel(connection, async (channel) => {
        for (const name of names) {
          await channel.deleteQueue(name)
          await channel.deleteQueue(`${name}.dead`)
          await channel.deleteExchange(name)
        }
      })
      await connection.close()
    },
  }
}

async function onChannel<T>(connection: ChannelModel, work: (channel: Channel) => Promise<T>): Promise<T> {
  const channel = await connection.createChannel()
  const state = { open: true }
  channel.on('error', () => undefined)
  channel.on('close', () => (state.open = false))
  try {
    return await work(channel)
  } finally {
    if (state.open) await channel.close()
  }
}

/** A broker of the test's own, which may be stopped and started. */
export interface PrivateBroker {
  url: string
  /** `amqps://` with a certificate of `caFile`. */
  tlsUrl: string
  caFile: string
  /** @param state.isShortOfMemory it blocks publishers from the start */
  start(state?: { isShortOfMemory: boolean }): Promise<void>
  /** Stops it; durable queues and messages stay for the next start. */
  stop(): Promise<void>
  /** Stops it for good and removes its files. */
  remove(): Promise<void>
}

/** Own node name, ports, cookie, port mapper and folder on 127.0.0.1; not yet started. */
export async function createPrivateBroker(): Promise<PrivateBroker> {
  const command = findRabbitCommand()
  if (command === null) throw new Error('no rabbitmq-server on this machine')
  const [port = 0, tlsPort = 0, distributionPort = 0, mapperPort = 0] = await freePorts(4)
  const folder = await mkdtemp(join(tmpdir(), 'cinderkeep-test-rabbit-'))
  const caFile = await makeCertificates(folder)
  const config = [
    `listeners.tcp.1 = 127.0.0.1:${port}`,
    `listeners.ssl.1 = 127.0.0.1:${tlsPort}`,
    `ssl_options.cacertfile = ${caFile}`,
    `ssl_options.certfile = ${join(folder, 'server.pem')}`,
    `ssl_options.keyfile = ${join(folder, 'server.key')}`,
    'ssl_options.verify = verify_none',
    'log.console = true',
  ]
  await writeFile(join(folder, '.erlang.cookie'), randomUUID(), { mode: 0o400 })
  await writeFile(join(folder, 'enabled_plugins'), '[].\n')
  await mkdir(join(folder, 'mnesia'))
  const env = {
    PATH: `${dirname(command)}:${process.env['PATH'] ?? ''}`,
    HOME: folder,
    LANG: 'C.UTF-8',
    ERL_EPMD_PORT: String(mapperPort),
    ERL_EPMD_ADDRESS: '127.0.0.1',
    RABBITMQ_NODENAME: `ck${port}@localhost`,
    RABBITMQ_DIST_PORT: String(distributionPort),
    RABBITMQ_CONFIG_FILE: join(folder, 'rabbitmq.conf'),
    RABBITMQ_CONF_ENV_FILE: join(folder, 'no-rabbitmq-env.conf'),
    RABBITMQ_ENABLED_PLUGINS_FILE: join(folder, 'enabled_plugins'),
    RABBITMQ_MNESIA_BASE: join(folder, 'mnesia'),
    RABBITMQ_LOG_BASE: folder,
    RABBITMQ_LOGS: '-',
    RABBITMQ_PID_FILE: join(folder, 'pid'),
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: '-kernel inet_dist_use_interface {127,0,0,1}',
  }
  const url = `amqp://guest:guest@127.0.0.1:${port}/`
  const mapper = startServer({
    name: "Erlang's port mapper",
    command: findCommand('epmd') ?? 'epmd',
    args: ['-address', '127.0.0.1', '-port', String(mapperPort)],
    env,
    logFile: join(folder, 'epmd.log'),
  })
  let broker: ServerProcess | null = null
  const stop = async (): Promise<void> => {
    await broker?.stop()
    broker = null
  }
  return {
    url,
    tlsUrl: `amqps://guest:guest@127.0.0.1:${tlsPort}/`,
    caFile,
    async start(state = { isShortOfMemory: false }) {
      const limit = state.isShortOfMemory ? ['vm_memory_high_watermark.absolute = 1MB'] : []
      await writeFile(join(folder, 'rabbitmq.conf'), `${[...config, ...limit].join('\n')}\n`)
      broker = startServer({ name: 'RabbitMQ', command, args: [], env, logFile: join(folder, 'rabbitmq.log') })
      await waitUntilReady(broker, () => answersAmqp(url))
    },
    stop,
    async remove() {
      await stop()
      await mapper.stop()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

/** A CA and a certificate of 127.0.0.1 signed by it; returns the CA's file. */
async function makeCertificates(folder: string): Promise<string> {
  const at = (name: string): string => join(folder, name)
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  await writeFile(at('extensions'), 'subjectAltName=IP:127.0.0.1,DNS:localhost\n')
  await openssl(
    'req',
    '-x509',
    ...key,
    '-keyout',
    at('ca.key'),
    '-out',
    at('ca.pem'),
    '-days',
    '2',
    '-subj',
    '/CN=test CA',
  )
  await openssl('req', ...key, '-keyout', at('server.key'), '-out', at('server.csr'), '-subj', '/CN=localhost')
  await openssl(
    ...['x509', '-req', '-in', at('server.csr'), '-CA', at('ca.pem'), '-CAkey', at('ca.key'), '-CAcreateserial'],
    ...['-out', at('server.pem'), '-days', '2', '-extfile', at('extensions')],
  )
  return at('ca.pem')
}

async function openssl(...args: string[]): Promise<void> {
  const { code, stderr } = await runCommand('openssl', args)
  if (code !== 0) throw new Error(`openssl ${args.join(' ')} ended with ${code}: ${stderr}`)
}

/** Looks every 20 ms until it holds; the test's own timeout ends it otherwise. */
export async function eventually(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 20))
}
