import { homedir } from 'node:os'
import type { Command } from 'commander'
import type { Config } from '../config/config.js'
import { readEnvironment, type Environment } from '../config/environment.js'
import { loadConfig } from '../config/load.js'
import { CodedError } from '../errors/coded-error.js'
import { createLog, type Log } from '../log/log.js'
import type { Output } from './output.js'

/** What `--config` and `--json` say; every command has them. */
export interface GlobalOptions {
  config?: string
  json?: boolean
}

/** What every command is given. */
export interface Cli {
  output: Output
  env: Environment
  cwd: string
  home: string
  /** Aborted by the first SIGINT or SIGTERM; the reason is the signal's name. */
  signal: AbortSignal
  /** Set by a command that ends in its own time after a signal; all others are ended after `graceMs`. */
  endsItself: boolean
}

/** How long after a signal a command may go on with what it waits for. */
const graceMs = 2000

/** Rejects soon after a signal, unless the command ends itself. @throws CodedError `CK-INTERRUPTED` */
export async function interrupted(cli: Cli): Promise<never> {
  return await new Promise((_resolve, reject) => {
    cli.signal.addEventListener('abort', () => {
      setTimeout(() => {
        if (cli.endsItself) return
        const cure = 'What was asked for until then goes on.'
        reject(new CodedError('CK-INTERRUPTED', `interrupted by ${String(cli.signal.reason)}`, { cure }))
      }, graceMs)
    })
  })
}

export function createCli(output: Output, signal: AbortSignal): Cli {
  return { output, env: readEnvironment(), cwd: process.cwd(), home: homedir(), signal, endsItself: false }
}

/** @throws ConfigError with every fault at once */
export async function configOf(cli: Cli, command: Command): Promise<Config> {
  const { config } = command.optsWithGlobals<GlobalOptions>()
  return await loadConfig({ env: cli.env, cwd: cli.cwd, ...(config !== undefined && { path: config }) })
}

/** Commands tell warnings alone: their result is what people wait for. */
export function commandLog(config: Config): Log {
  return createLog(config.log === 'debug' ? 'debug' : 'warn')
}

/** Waits, unless the command was interrupted; `cure` says what then goes on. @throws CodedError `CK-INTERRUPTED` */
export async function pause(ms: number, signal: AbortSignal, cure: string): Promise<void> {
  if (!signal.aborted) {
    await new Promise<void>((resolve) => {
      const end = () => {
        clearTimeout(timer)
        signal.removeEventListener('abort', end)
        resolve()
      }
      const timer = setTimeout(end, ms)
      signal.addEventListener('abort', end)
    })
  }
  if (signal.aborted) throw new CodedError('CK-INTERRUPTED', `interrupted by ${String(signal.reason)}`, { cure })
}
