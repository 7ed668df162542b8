import { randomUUID } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { Command } from 'commander'
import { ConfigError, faultLine } from '../config/config-error.js'
import { CodedError } from '../errors/coded-error.js'
import { configOf, type Cli, type GlobalOptions } from './context.js'
import { exitCodes, type ExitCode } from './exit-code.js'
import { json } from './output.js'
import { count } from './words.js'

/** `config check`: the faults and nothing else, on stdout; nothing is started and nobody is asked. */
export async function checkConfig(cli: Cli, command: Command): Promise<ExitCode> {
  const asJson = command.optsWithGlobals<GlobalOptions>().json === true
  try {
    const { path, policies, targets, sources } = await configOf(cli, command)
    if (asJson) cli.output.result(json({ file: path, faults: [] }))
    else {
      const parts = [
        count(policies.length, 'policy', 'policies'),
        count(Object.keys(targets).length, 'target'),
        count(sources.length, 'source'),
      ]
      cli.output.note(`${path} is in order: ${parts.join(', ')}`)
    }
    return exitCodes.done
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    const { file, faults } = error
    cli.output.result(asJson ? json({ file, faults }) : faults.map((one) => faultLine(file, one)).join('\n'))
    return exitCodes.usage
  }
}

/** `config schema`: for editors. */
export async function printSchema(cli: Cli): Promise<ExitCode> {
  const { jsonSchema } = await import('../config/json-schema.js')
  cli.output.result(json(jsonSchema()))
  return exitCodes.done
}

/** `config init`: a file to start with, and an installation id that never existed before. */
export async function initConfig(cli: Cli, command: Command): Promise<ExitCode> {
  const { starterFile } = await import('../config/starter-file.js')
  const path = command.optsWithGlobals<GlobalOptions>().config ?? cli.env['CINDERKEEP_CONFIG'] ?? 'cinderkeep.yaml'
  const installation = randomUUID()
  try {
    await writeFile(resolve(cli.cwd, path), starterFile(installation), { flag: 'wx' })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') {
      throw new CodedError('CK-CONFIG', `${path} cannot be written: ${(error as Error).message}`, { cause: error })
    }
    throw new CodedError('CK-CONFIG-EXISTS', `${path} exists and is left as it is`, {
      cure: 'Its installation id tells which volumes and copies are ours. Give another path with --config, or move it away.',
    })
  }
  if (command.optsWithGlobals<GlobalOptions>().json === true) cli.output.result(json({ file: path, installation }))
  else
    cli.output.note(`${path} written for the new installation ${installation}; edit it, then: cinderkeep config check`)
  return exitCodes.done
}
