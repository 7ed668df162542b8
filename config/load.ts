/** The one way to a configuration: finds cinderkeep.yaml, checks all of it, adds what the environment says. */
import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { completeListenOptions } from '../listener/options.js'
import { toPolicies } from '../policy/options.js'
import { ConfigError, type Fault } from './config-error.js'
import type { Config } from './config.js'
import { crossCheck } from './cross-check.js'
import type { Environment } from './environment.js'
import { expectation, explain } from './explain.js'
import { metadataReadOtherwise } from './metadata-read-otherwise.js'
import { readYaml } from './read-yaml.js'
import { configOptions, type ConfigOptions } from './schema.js'
import { lineOf } from './written.js'

export interface LoadRequest {
  /** `--config`; wins over everything else. */
  path?: string
  env: Environment
  cwd: string
}

const cure = 'See docs/options.md for every option; `cinderkeep config init` writes a file to start with.'

/**
 * Reads `--config`, else CINDERKEEP_CONFIG, else ./cinderkeep.yaml, else /etc/cinderkeep/cinderkeep.yaml.
 * @throws ConfigError with every fault at once
 */
export async function loadConfig(request: LoadRequest): Promise<Config> {
  const { path, text } = await findConfig(request)
  const options = parseConfig(path, text)
  return {
    path,
    installation: options.installation,
    cloud: options.cloud ?? null,
    internalProjectId: options.internalProject ?? null,
    temporal: options.temporal,
    listen: completeListenOptions(options.listen, request.env['AMQP_URL']),
    sources: options.sources,
    targets: options.targets,
    policies: toPolicies(options.policies),
    reconcileSeconds: options.reconcile,
    pace: {
      heartbeatSeconds: options.pace.heartbeat,
      firstRetrySeconds: options.pace.firstRetry,
      captureMaxAgeSeconds: options.pace.captureMaxAge,
      unclearSeconds: options.pace.unclear,
    },
    drainSeconds: options.drain,
    mover: options.mover,
    quiesce: {
      uri: options.quiesce.uri,
      hypervisor: options.quiesce.hypervisor ?? null,
      dir: options.quiesce.dir,
      limitSeconds: options.quiesce.limit,
    },
    log: options.log,
  }
}

async function findConfig({ path, env, cwd }: LoadRequest): Promise<{ path: string; text: string }> {
  const named = path ?? env['CINDERKEEP_CONFIG']
  const places = named === undefined ? ['cinderkeep.yaml', '/etc/cinderkeep/cinderkeep.yaml'] : [named]
  for (const place of places) {
    try {
      return { path: place, text: await readFile(resolve(cwd, place), 'utf8') }
    } catch (error) {
      const reason = (error as NodeJS.ErrnoException).code
      if (reason === 'ENOENT' && named === undefined) continue
      const message = reason === 'ENOENT' ? 'there is no such file' : `cannot be read: ${(error as Error).message}`
      throw new ConfigError(place, [{ line: null, path: '', message }], cure)
    }
  }
  const message = `there is no configuration; looked at ${places.map((place) => resolve(cwd, place)).join(' and ')}`
  throw new ConfigError('cinderkeep.yaml', [{ line: null, path: '', message }], cure)
}

/** @throws ConfigError with every fault at once */
export function parseConfig(path: string, text: string): ConfigOptions {
  const { document, lines, data, faults } = readYaml(text)
  if (data === null) throw new ConfigError(path, faults, cure)
  const parsed = configOptions.safeParse(data, { error: expectation })
  const issues = parsed.success ? [] : parsed.error.issues.flatMap((issue) => explain(issue, data, configOptions))
  const placed = [...issues, ...crossCheck(data), ...metadataReadOtherwise(document, data)].map(
    ({ at, path, message }): Fault => {
      return { line: lineOf(document, lines, at), path, message }
    },
  )
  const all = [...faults, ...placed].sort((a, b) => (a.line ?? 0) - (b.line ?? 0))
  if (parsed.success && all.length === 0) return parsed.data
  throw new ConfigError(path, all, cure)
}
