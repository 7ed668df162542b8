import { hostname, userInfo } from 'node:os'
import type { Command } from 'commander'
import { pauseUpdate } from '../workflows/permit-messages.js'
import { scopesOf, type BrakeOptions } from './brake-scopes.js'
import { brakesJson, brakesText, type Braked } from './brakes-shown.js'
import { readPaused, updatePermits } from './call-permits.js'
import { withTemporal } from './call-volume.js'
import { configOf, type Cli } from './context.js'
import { exitCodes, type ExitCode } from './exit-code.js'
import { json } from './output.js'

/** `pause`: no archive begins or goes on past its next safe point, until `resume`. */
export async function pause(cli: Cli, command: Command): Promise<ExitCode> {
  const options = command.optsWithGlobals<BrakeOptions & { reason?: string }>()
  const config = await configOf(cli, command)
  await withTemporal(cli, config, async (client) => {
    const scopes = await scopesOf(cli, config, options, Object.keys(await readPaused(client)))
    const by = `${userInfo().username}@${hostname()}`
    const done: Braked[] = []
    for (const scope of scopes) {
      const { changed } = await updatePermits(client, pauseUpdate, { scope, by, reason: options.reason ?? null })
      done.push({ scope, changed })
    }
    const paused = await readPaused(client)
    cli.output.result(options.json === true ? json(brakesJson(done, paused)) : brakesText(done, paused))
    cli.output.note('Archives that run stop before they capture or read back; `cinderkeep resume` lets them go on.')
  })
  return exitCodes.done
}
