import type { Command } from 'commander'
import { resumeUpdate } from '../workflows/permit-messages.js'
import { scopesOf, type BrakeOptions } from './brake-scopes.js'
import { brakesJson, brakesText, type Braked } from './brakes-shown.js'
import { readPaused, updatePermits } from './call-permits.js'
import { withTemporal } from './call-volume.js'
import { configOf, type Cli } from './context.js'
import { exitCodes, type ExitCode } from './exit-code.js'
import { json } from './output.js'

/** `resume`: takes back what `pause` said of the same scope; what is paused by another scope stays so. */
export async function resume(cli: Cli, command: Command): Promise<ExitCode> {
  const options = command.optsWithGlobals<BrakeOptions>()
  const config = await configOf(cli, command)
  await withTemporal(cli, config, async (client) => {
    const scopes = await scopesOf(cli, config, options, Object.keys(await readPaused(client)))
    const done: Braked[] = []
    for (const scope of scopes) done.push({ scope, ...(await updatePermits(client, resumeUpdate, { scope })) })
    const paused = await readPaused(client)
    cli.output.result(options.json === true ? json(brakesJson(done, paused)) : brakesText(done, paused))
  })
  return exitCodes.done
}
