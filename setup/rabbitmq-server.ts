import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { answersAmqp } from './amqp.js'
import { findCommand } from './command.js'
import { freePorts } from './ports.js'
import { startServer, waitUntilReady } from './server-process.js'

/** Debian's command on PATH changes to the user rabbitmq and drops the environment; this is the script behind it. */
const debianScript = '/usr/lib/rabbitmq/bin/rabbitmq-server'

/** The RabbitMQ server's own start script, or null where it is not installed. */
export function findRabbitCommand(): string | null {
  return existsSync(debianScript) ? debianScript : findCommand('rabbitmq-server')
}

/**
 * Starts a broker of its own on 127.0.0.1: own node name, ports, cookie, port mapper and folder, so that it meets no
 * other broker of this machine. Everything is thrown away at the end.
 * @throws CodedError `CK-SETUP-SERVER`
 */
export async function startRabbit(command: string): Promise<{ url: string; stop: () => Promise<void> }> {
  const [port = 0, distributionPort = 0, mapperPort = 0] = await freePorts(3)
  const folder = await mkdtemp(join(tmpdir(), 'cinderkeep-rabbitmq-'))
  const cookie = join(folder, '.erlang.cookie')
  await writeFile(cookie, randomBytes(20).toString('hex'), { mode: 0o400 })
  await writeFile(join(folder, 'rabbitmq.conf'), `listeners.tcp.1 = 127.0.0.1:${port}\nlog.console = true\n`)
  await writeFile(join(folder, 'enabled_plugins'), '[].\n')
  await mkdir(join(folder, 'mnesia'))
  const env = {
    PATH: `${dirname(command)}:${process.env['PATH'] ?? ''}`,
    HOME: folder,
    LANG: 'C.UTF-8',
    ERL_EPMD_PORT: String(mapperPort),
    ERL_EPMD_ADDRESS: '127.0.0.1',
    RABBITMQ_NODENAME: `ck${String(port)}@localhost`,
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
  // Erlang would start a port mapper of its own that stays for ever
  const mapper = startServer({
    name: "Erlang's port mapper",
    command: findCommand('epmd') ?? 'epmd',
    args: ['-address', '127.0.0.1', '-port', String(mapperPort)],
    env,
    logFile: join(folder, 'epmd.log'),
  })
  const stopMapper = async (): Promise<void> => {
    await mapper.stop()
    await rm(folder, { recursive: true, force: true })
  }
  const broker = startServer({ name: 'RabbitMQ', command, args: [], env, logFile: join(folder, 'rabbitmq.log') })
  const url = `amqp://guest:guest@127.0.0.1:${port}/`
  try {
    await waitUntilReady(broker, () => answersAmqp(url))
  } catch (error) {
    await mapper.stop()
    throw error
  }
  return {
    url,
    async stop() {
      await broker.stop()
      await stopMapper()
    },
  }
}
