import type { Command } from 'commander'
import { didYouMean } from '../config/nearest.js'
import { CodedError } from '../errors/coded-error.js'
import { withTemporal } from './call-volume.js'
import { configOf, type Cli, type GlobalOptions } from './context.js'
import { exitCodes, type ExitCode } from './exit-code.js'
import { listEntities } from './list-entities.js'
import { listFacts } from './list-facts.js'
import { openCloud } from './open-cloud.js'
import { json } from './output.js'
import { protectedVolumes, type ProtectedVolume } from './protected-volumes.js'
import { table } from './table.js'
import { ago, count, span } from './words.js'

interface VolumesOptions extends GlobalOptions {
  overdue?: boolean
  policy?: string
}

/** `volumes`: each volume that a policy protects or of which copies are kept, and how it stands. */
export async function volumes(cli: Cli, command: Command): Promise<ExitCode> {
  const options = command.optsWithGlobals<VolumesOptions>()
  const config = await configOf(cli, command)
  const names = config.policies.map(({ name }) => name)
  if (options.policy !== undefined && !names.includes(options.policy)) {
    throw new CodedError('CK-USAGE', `there is no policy "${options.policy}"${didYouMean(options.policy, names)}`, {
      cure: `Policies in ${config.path} are ${names.join(', ') || 'none'}.`,
    })
  }
  const cloud = await openCloud(cli, config)
  try {
    const [facts, entities] = await Promise.all([
      listFacts(cloud, config.policies),
      withTemporal(cli, config, listEntities),
    ])
    const now = Date.now()
    const all = protectedVolumes(facts, entities, config, now)
    const shown = all.filter(
      ({ policy, overdue }) =>
        (options.policy === undefined || policy === options.policy) && (options.overdue !== true || overdue),
    )
    if (options.json === true) cli.output.result(json(shown))
    else if (shown.length > 0) cli.output.result(toText(shown, now))
    if (options.json !== true) cli.output.note(summary(shown, options))
  } finally {
    cloud.close()
  }
  return exitCodes.done
}

function toText(shown: ProtectedVolume[], now: number): string {
  const rows = shown.map(({ name, volume, project, policy, verifiedAt, rpoSeconds, dueAt, state, remark }) => [
    name === '' ? '-' : name,
    volume,
    project,
    policy ?? '-',
    verifiedAt === null ? 'never' : ago(verifiedAt, now),
    rpoSeconds === null ? '-' : span(rpoSeconds),
    dueAt === null ? '-' : ago(dueAt, now),
    state,
    remark ?? '',
  ])
  return table(['volume', 'id', 'project', 'policy', 'verified', 'rpo', 'next', 'state', 'remarks'], rows)
}

/** `12 volumes: 10 protected, 2 overdue`. */
function summary(shown: ProtectedVolume[], { overdue, policy }: VolumesOptions): string {
  const what = `${overdue === true ? 'overdue ' : ''}volume`
  const states = new Map<string, number>()
  for (const { state } of shown) states.set(state, (states.get(state) ?? 0) + 1)
  const each = [...states].map(([state, amount]) => `${amount} ${state}`).join(', ')
  const of = policy === undefined ? '' : ` of the policy ${policy}`
  return `${count(shown.length, what)}${of}${each === '' ? '' : `: ${each}`}`
}
