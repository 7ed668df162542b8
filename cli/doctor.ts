import type { Command } from 'commander'
import { didYouMean } from '../config/nearest.js'
import { CodedError } from '../errors/coded-error.js'
import { commandLog, configOf, type Cli, type GlobalOptions } from './context.js'
import { allChecks } from './doctor/all-checks.js'
import { openContext } from './doctor/open-context.js'
import { documentOf, textOf } from './doctor/report.js'
import { runChecks } from './doctor/run-checks.js'
import { exitCodes, type ExitCode } from './exit-code.js'
import { json } from './output.js'

/** `doctor`: looks at everything that archives depend on, and says what is wrong and what to do. Changes nothing. */
export async function doctor(cli: Cli, command: Command): Promise<ExitCode> {
  const config = await configOf(cli, command)
  const { json: asJson, skip = [] } = command.optsWithGlobals<GlobalOptions & { skip?: string[] }>()
  const names = allChecks.map(({ name }) => name)
  for (const name of skip) {
    if (names.includes(name)) continue
    throw new CodedError('CK-USAGE', `there is no check "${name}"${didYouMean(name, names)}`, {
      cure: `Checks are ${names.join(', ')}.`,
    })
  }
  cli.output.progress?.(`looking at ${names.length - skip.length} things, for half a minute at most`)
  const { context, close } = openContext(cli, config, { log: commandLog(config) })
  try {
    const found = await Promise.race([runChecks(allChecks, context, skip), interrupted(cli.signal)])
    const document = documentOf(found, config.path, context.now())
    cli.output.result(asJson === true ? json(document) : textOf(document))
    return document.counts.fault === 0 ? exitCodes.done : exitCodes.failed
  } finally {
    await close()
  }
}

/** Never returns: whoever waits no longer is told nothing. */
async function interrupted(signal: AbortSignal): Promise<never> {
  await new Promise<void>((resolve) => {
    if (signal.aborted) resolve()
    else
      signal.addEventListener('abort', () => {
        resolve()
      })
  })
  throw new CodedError('CK-INTERRUPTED', `interrupted by ${String(signal.reason)}`, { cure: 'Nothing was changed.' })
}
