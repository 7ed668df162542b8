import { CodedError } from '../errors/coded-error.js'
import { answersAmqp } from './amqp.js'
import { installRabbit } from './debian.js'
import { findRabbitCommand, startRabbit } from './rabbitmq-server.js'
import { say } from './say.js'

/** A RabbitMQ to use. In a broker that was there already, remove the queues and exchanges that you make. */
export interface FoundRabbit {
  /** With user and password: not for logs. */
  url: string
  /** For people, without a password: which broker this is. */
  how: string
  /** Stops what was started. */
  stop(): Promise<void>
}

/**
 * Finds or starts a RabbitMQ: `AMQP_URL`, else 127.0.0.1:5672 as guest, else `rabbitmq-server` started on a private
 * port, else Debian's package installed when root.
 * @throws CodedError `CK-SETUP-RABBIT` when no way is open, `CK-SETUP-SERVER` when a started one does not come up
 */
export async function findRabbit(): Promise<FoundRabbit> {
  const configured = process.env['AMQP_URL']
  if (configured !== undefined && configured !== '') {
    if (await answersAmqp(configured)) return found(configured, 'AMQP_URL')
    throw noRabbit('nothing answers AMQP at AMQP_URL')
  }
  const local = 'amqp://guest:guest@127.0.0.1:5672/'
  if (await answersAmqp(local)) return found(local, '127.0.0.1:5672 (found running)')
  const command = findRabbitCommand() ?? ((await installRabbit()) ? findRabbitCommand() : null)
  if (command === null) throw noRabbit('rabbitmq-server is not installed, and cannot be (Debian and root are needed)')
  const broker = await startRabbit(command)
  const how = `127.0.0.1:${new URL(broker.url).port}, started from ${command}`
  say(`RabbitMQ: ${how}`)
  return { ...broker, how }
}

function found(url: string, how: string): FoundRabbit {
  say(`RabbitMQ: ${how}`)
  return { url, how, stop: async () => undefined }
}

function noRabbit(why: string): CodedError {
  return new CodedError('CK-SETUP-RABBIT', `no RabbitMQ: ${why}`, {
    cure: 'Set AMQP_URL to a broker, start one on 127.0.0.1:5672, or install rabbitmq-server.',
  })
}
