import type { Command } from 'commander'
import { commandsByHand } from '../targets/by-hand.js'
import type { Copy } from '../targets/target.js'
import type { RecoveryPoint } from '../workflows/messages.js'
import { configOf, type Cli, type GlobalOptions } from './context.js'
import { exitCodes, type ExitCode } from './exit-code.js'
import { findPoint, splitPoint } from './find-point.js'
import { json } from './output.js'
import { pointJson } from './point-json.js'
import { readPoints } from './read-points.js'
import { table } from './table.js'
import { ago, size } from './words.js'

/** `show VOLUME@<point>`: one recovery point with its copies. */
export async function show(cli: Cli, command: Command, written: string): Promise<ExitCode> {
  const { volume, name } = splitPoint(written)
  const config = await configOf(cli, command)
  const { volumeId, points } = await readPoints(cli, config, volume)
  const point = findPoint(volume, volumeId, points, name)
  const asJson = command.optsWithGlobals<GlobalOptions>().json === true
  const byHand = (copy: Copy): string[] => commandsByHand(config.targets[copy.target], copy)
  cli.output.result(asJson ? json(withCommands(point, byHand)) : toText(point, Date.now(), byHand))
  return exitCodes.done
}

/** As `points --json`, with the commands beside each copy. */
function withCommands(point: RecoveryPoint, byHand: (copy: Copy) => string[]) {
  const { copies, ...rest } = pointJson(point)
  const commands = point.copies.map(byHand)
  return { ...rest, copies: copies.map((copy, at) => ({ ...copy, byHand: commands[at] ?? [] })) }
}

/** With which other volumes of its server it was captured. */
function groupOf({ group, volumeId, copies }: RecoveryPoint): [string, string][] {
  if (group === null) return []
  const members = copies.find((copy) => copy.members !== undefined)?.members ?? []
  const others = members.filter((id) => id !== volumeId)
  const alone = 'of a capture of its server, under the freeze of which no other volume was captured with it'
  return [['group', `${group}, ${others.length === 0 ? alone : `together with ${others.join(', ')}`}`]]
}

function toText(point: RecoveryPoint, now: number, byHand: (copy: Copy) => string[]): string {
  const facts: [string, string][] = [
    ['point', point.point],
    ['volume', point.volumeId],
    ['project', point.projectId],
    ['captured', `${point.capturedAt} (${ago(point.capturedAt, now)})`],
    ['consistency', point.consistency],
    ['size', size(point.sizeBytes)],
    ['hash', point.rootHash ?? 'not known'],
    ['asked for by', point.slot],
    ['archive', point.archive],
    ...groupOf(point),
    ['kept', 'until it is removed: there is no retention in this release'],
  ]
  const rows = point.copies.map((copy) => [
    copy.target,
    copy.state,
    copy.verifiedAt === null ? '-' : ago(copy.verifiedAt, now),
    copy.writtenBytes === null ? '-' : size(copy.writtenBytes),
    copy.storedBytes === null ? '-' : size(copy.storedBytes),
    copy.basePoint ?? 'full',
    [copy.reason, copy.wholeObject === true ? 'read by object map' : null].filter((one) => one !== null).join('; '),
  ])
  const copies = table(['copy on', 'state', 'verified', 'written', 'stored', 'built upon', 'remarks'], rows, [3, 4])
  const width = Math.max(...facts.map(([name]) => name.length))
  const withoutUs = point.copies
    .filter(({ state }) => state !== 'writing' && state !== 'removing')
    .flatMap((copy) => ['', `without Cinderkeep, from ${copy.target}:`, ...byHand(copy).map((one) => `  ${one}`)])
  return [...facts.map(([name, value]) => `${name.padEnd(width)}  ${value}`), '', copies, ...withoutUs].join('\n')
}
