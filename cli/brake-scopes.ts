import type { Config } from '../config/config.js'
import { didYouMean } from '../config/nearest.js'
import { CodedError } from '../errors/coded-error.js'
import { backendScope, everything, targetScope } from '../workflows/messages.js'
import { checkTargets } from './check-targets.js'
import type { Cli, GlobalOptions } from './context.js'
import { openCloud } from './open-cloud.js'

/** What `pause` and `resume` take; without any of them everything is meant. */
export interface BrakeOptions extends GlobalOptions {
  target: string[]
  backend: string[]
}

/**
 * The scopes that are meant. What is paused already is known, whatever became of it.
 * @throws CodedError `CK-TARGET-UNKNOWN`, `CK-BACKEND-UNKNOWN`
 */
export async function scopesOf(
  cli: Cli,
  config: Config,
  options: BrakeOptions,
  paused: readonly string[],
): Promise<string[]> {
  const isNew = (scope: string) => !paused.includes(scope)
  checkTargets(
    config,
    options.target.filter((target) => isNew(targetScope(target))),
  )
  const backends = options.backend.filter((backend) => isNew(backendScope(backend)))
  if (backends.length > 0) await checkBackends(cli, config, backends)
  const scopes = [...options.target.map(targetScope), ...options.backend.map(backendScope)]
  return scopes.length === 0 ? [everything] : [...new Set(scopes)]
}

async function checkBackends(cli: Cli, config: Config, backends: string[]): Promise<void> {
  const known = await knownBackends(cli, config)
  for (const backend of backends) {
    // a cloud in trouble is a reason to pause, not one to refuse it
    if (known === null || known.some((one) => backendScope(one) === backendScope(backend))) continue
    throw new CodedError('CK-BACKEND-UNKNOWN', `Cinder has no backend "${backend}"${didYouMean(backend, known)}`, {
      cure: `Give HOST@BACKEND as \`openstack volume service list\` shows it: ${known.join(', ') || 'there is none'}.`,
    })
  }
}

async function knownBackends(cli: Cli, config: Config): Promise<string[] | null> {
  const cloud = await openCloud(cli, config)
  try {
    return (await cloud.cinder.listServices({ binary: 'cinder-volume' })).map(({ host }) => host)
  } catch (error) {
    if (!(error instanceof CodedError)) throw error
    cli.output.note(`${error.code}  whether Cinder has this backend could not be asked; it is taken as written`)
    return null
  } finally {
    cloud.close()
  }
}
