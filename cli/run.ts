import type { Command } from 'commander'
import { ConfigError } from '../config/config-error.js'
import type { Config } from '../config/config.js'
import { didYouMean } from '../config/nearest.js'
import { CodedError } from '../errors/coded-error.js'
import { createLog } from '../log/log.js'
import { configOf, type Cli, type GlobalOptions } from './context.js'
import { exitCodes, type ExitCode } from './exit-code.js'
import { withSmallHeap } from './small-heap.js'
import { supervise } from './supervise.js'
import { zonesOf } from './zones-of.js'

const roles = ['listener', 'control', 'mover', 'quiesce'] as const
type Role = (typeof roles)[number]
/** Of interface.md, for later releases. */
const rolesToCome = ['remover', 'restorer', 'web']

/** `run`: one role in this process, or several, one child process each. */
export async function run(cli: Cli, command: Command): Promise<ExitCode> {
  // what is held is finished first
  cli.endsItself = true
  const options = command.optsWithGlobals<GlobalOptions & { role: string[]; zone: string }>()
  const wanted = [...new Set(options.role.map(roleOf))]
  const config = await configOf(cli, command)
  if (wanted.includes('listener') && config.listen.url === undefined) {
    const message = 'missing, and AMQP_URL is not set either: the listener needs the broker of the cloud'
    throw new ConfigError(config.path, [{ line: null, path: 'listen.url', message }])
  }
  if (wanted.includes('mover')) checkZone(config, options.zone)

  const [role] = wanted
  if (role === undefined) throw new CodedError('CK-USAGE', '--role names no role')
  if (wanted.length === 1) return await runOne(cli, config, role, options.zone)
  return await supervise({
    names: wanted,
    argumentsOf: (name) => ['run', '--role', name, '--zone', options.zone, '--config', config.path],
    envOf: (name) => (name === 'control' ? withSmallHeap(cli.env) : cli.env),
    log: createLog(config.log, { role: 'supervisor' }),
    signal: cli.signal,
  })
}

async function runOne(cli: Cli, config: Config, role: Role, zone: string): Promise<ExitCode> {
  const { runRole } = await import('../worker/run-role.js')
  const log = createLog(config.log, { role, ...(role === 'mover' && { zone }) })
  await runRole(role, { config, env: cli.env, zone, log, signal: withParent(cli.signal) })
  return cli.signal.aborted && cli.signal.reason === 'SIGINT' ? exitCodes.interrupted : exitCodes.done
}

/** Under a supervisor that is gone, nobody would restart or stop us: end as after SIGTERM. */
function withParent(signal: AbortSignal): AbortSignal {
  if (process.channel === undefined) return signal
  const orphaned = new AbortController()
  process.on('disconnect', () => {
    orphaned.abort('the supervisor is gone')
  })
  return AbortSignal.any([signal, orphaned.signal])
}

function roleOf(word: string): Role {
  const role = roles.find((one) => one === word)
  if (role !== undefined) return role
  const reason = rolesToCome.includes(word) ? 'does not exist in this release' : `is no role${didYouMean(word, roles)}`
  throw new CodedError('CK-USAGE', `--role: "${word}" ${reason}`, { cure: `Roles are ${roles.join(', ')}.` })
}

function checkZone(config: Config, zone: string): void {
  const zones = [...new Set(['default', ...zonesOf(config)])]
  if (zones.includes(zone)) return
  throw new CodedError('CK-USAGE', `--zone: "${zone}" is the zone of no source or target${didYouMean(zone, zones)}`, {
    cure: `Zones are ${zones.join(', ')}.`,
  })
}
