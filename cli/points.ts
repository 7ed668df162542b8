import type { Command } from 'commander'
import { configOf, type Cli, type GlobalOptions } from './context.js'
import { exitCodes, type ExitCode } from './exit-code.js'
import { json } from './output.js'
import { copiesInWords, pointJson } from './point-json.js'
import { readPoints } from './read-points.js'
import { table } from './table.js'
import { ago, size } from './words.js'

/** `points VOLUME`: its recovery points, newest first. */
export async function points(cli: Cli, command: Command, volume: string): Promise<ExitCode> {
  const config = await configOf(cli, command)
  const { volumeId, points } = await readPoints(cli, config, volume)
  if (command.optsWithGlobals<GlobalOptions>().json === true) {
    cli.output.result(json(points.map(pointJson)))
  } else if (points.length === 0) {
    cli.output.note(`volume ${volumeId} has no recovery point`)
  } else {
    const now = Date.now()
    const rows = points.map((point) => [
      point.point,
      ago(point.capturedAt, now),
      point.consistency,
      size(point.sizeBytes),
      copiesInWords(point),
      point.slot,
    ])
    cli.output.result(table(['point', 'captured', 'consistency', 'size', 'copies', 'asked for by'], rows, [3]))
  }
  return exitCodes.done
}
