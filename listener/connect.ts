import { connect as amqpConnect, credentials, type ChannelModel } from 'amqplib'
import { CodedError } from '../errors/coded-error.js'
import type { Log } from '../log/log.js'
import { parseBrokerUrl, type BrokerAddress } from './broker-address.js'
import { readSecrets, type BrokerSecrets } from './broker-secrets.js'
import type { ListenOptions } from './options.js'

/** An open connection and the host that it ended at. */
export interface BrokerConnection {
  host: string
  model: ChannelModel
  /** The broker's own version, e.g. `3.10.8`, and product, e.g. `RabbitMQ`. */
  product: string
  version: string
  /** Settles (never rejects) when the connection has ended, for whatever reason. */
  closed: Promise<void>
  isOpen(): boolean
}

/** A connection that does not answer the handshake in this time is given up; milliseconds. */
const connectTimeoutMs = 10_000
/** Two missed heartbeats end a connection: a dead broker is noticed within a minute. */
const heartbeatSeconds = 30

/**
 * Connects to the first host that answers; tries no further host once `stopAt` is aborted.
 * @param name how the broker's own tools call the connection
 * @throws CodedError `CK-RABBIT-REFUSED` when a broker refused us and none accepted, else `CK-RABBIT-UNREACHABLE`
 */
export async function connectBroker(
  options: ListenOptions,
  log: Log,
  stopAt: AbortSignal,
  name = 'cinderkeep listener',
): Promise<BrokerConnection> {
  const addresses = parseBrokerUrl(requireUrl(options))
  const secrets = await readSecrets(options)
  const failures: { address: BrokerAddress; error: unknown }[] = []
  for (const address of addresses) {
    if (stopAt.aborted) break
    try {
      return watch(address, await open(address, secrets, name), log)
    } catch (error) {
      failures.push({ address, error })
    }
  }
  throw explain(failures)
}

/** @throws CodedError `CK-RABBIT-URL` when none is configured, or one without TLS but certificates for it */
export function requireUrl({ url, caFile, certFile }: ListenOptions): string {
  // AMQP_URL may be the one without
  if (url?.startsWith('amqp:') === true && (caFile ?? certFile) !== undefined) {
    throw new CodedError('CK-RABBIT-URL', 'the broker’s URL is amqp://, but listen has certificates for amqps://', {
      cure: 'Write amqps:// into listen.url or AMQP_URL, or remove caFile, certFile and keyFile.',
    })
  }
  if (url !== undefined) return url
  throw new CodedError('CK-RABBIT-URL', 'no broker is configured', { cure: 'Set listen.url, or AMQP_URL.' })
}

async function open(address: BrokerAddress, secrets: BrokerSecrets, name: string): Promise<ChannelModel> {
  const password = secrets.password ?? address.password
  const user = address.user ?? 'guest'
  // a client certificate without any password logs in by itself (rabbitmq_auth_mechanism_ssl)
  const login =
    secrets.cert !== undefined && password === null
      ? credentials.external()
      : credentials.plain(user, password ?? (address.user === null ? 'guest' : ''))
  const { ca, cert, key } = secrets
  return amqpConnect(
    {
      protocol: address.protocol,
      hostname: address.host,
      port: address.port,
      vhost: encodeURIComponent(address.vhost),
      heartbeat: heartbeatSeconds,
    },
    {
      // here and not beside the host: amqplib looks nowhere else, and would log in as guest
      credentials: login,
      timeout: connectTimeoutMs,
      noDelay: true,
      keepAlive: true,
      clientProperties: { connection_name: name },
      ...(address.protocol === 'amqps' && {
        ...(ca && { ca }),
        ...(cert && { cert }),
        ...(key && { key }),
      }),
    },
  )
}

function watch(address: BrokerAddress, model: ChannelModel, log: Log): BrokerConnection {
  const host = address.host
  model.on('error', (error: Error) => {
    log.warn({ host, err: error }, 'the connection to the broker failed')
  })
  model.on('blocked', (reason: string) => {
    log.warn({ host, reason }, 'the broker blocks publishers; it is short of memory or disk')
  })
  let open = true
  const closed = new Promise<void>((resolve) => {
    model.on('close', () => {
      open = false
      resolve()
    })
  })
  const { product, version } = model.connection.serverProperties
  return { host, model, product, version, closed, isOpen: () => open }
}

/** 403: wrong user or password; a vhost that does not exist or is not ours ends the handshake before it is open. */
function explain(failures: { address: BrokerAddress; error: unknown }[]): CodedError {
  const told = failures.map(({ address, error }) => `${address.host}:${address.port}: ${reason(address, error)}`)
  return failures.some(({ error }) => refuses(error))
    ? new CodedError('CK-RABBIT-REFUSED', `the broker refuses us: ${told.join('; ')}`, {
        cure: 'Check user, password and vhost of listen.url, passwordFile and AMQP_URL, and the user’s rights there.',
      })
    : new CodedError('CK-RABBIT-UNREACHABLE', `no broker can be reached: ${told.join('; ')}`, {
        cure: 'Check hosts and ports of listen.url, the way to them, and for amqps listen.caFile. We keep trying.',
      })
}

const vhostRefused = 'Expected ConnectionOpenOk; got <ConnectionClose channel:0>'

function refuses(error: unknown): boolean {
  const message = error instanceof Error ? error.message : ''
  return message === vhostRefused || /^Handshake terminated by server: (403|530)|^SASL mechanism/.test(message)
}

function reason(address: BrokerAddress, error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  if (error.message === vhostRefused) return `no vhost "${address.vhost}", or no right to it`
  // Node's error for several addresses of one name has no message of its own
  if (error instanceof AggregateError) return error.errors.map((inner) => reason(address, inner)).join(', ')
  return error.message
}
