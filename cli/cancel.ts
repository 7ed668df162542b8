import { WorkflowNotFoundError, type Client } from '@temporalio/client'
import type { Command } from 'commander'
import type { Config } from '../config/config.js'
import { didYouMean } from '../config/nearest.js'
import { CodedError } from '../errors/coded-error.js'
import { archiveWorkflowPrefix, workflowTypes } from '../workflows/messages.js'
import { bounded, withTemporal } from './call-volume.js'
import { configOf, pause, type Cli, type GlobalOptions } from './context.js'
import { exitCodes, type ExitCode } from './exit-code.js'
import { findVolume, isVolumeId } from './find-volume.js'
import { openCloud } from './open-cloud.js'
import { json } from './output.js'
import { table } from './table.js'
import { count } from './words.js'

const pollMs = 1000
const tellEveryMs = 10_000

/** How an archive ended that was to be cancelled. */
interface Ended {
  archive: string
  /** `cancelled`, or how it had ended before that: `completed`, `failed`, `terminated`, `timed_out`. */
  state: string
}

/** `cancel ARCHIVE…`: stops archives, by their ids or their volumes, and returns when they have cleaned up. */
export async function cancel(cli: Cli, command: Command, names: string[]): Promise<ExitCode> {
  const config = await configOf(cli, command)
  const ended = await withTemporal(cli, config, async (client) => {
    // all are known before the first is cancelled: a slip in the last name cancels nothing
    const archives: string[] = []
    for (const name of names) archives.push(...(await archivesOf(cli, config, client, name)))
    const wanted = [...new Set(archives)]
    for (const archive of wanted) await request(client, archive)
    return await awaitAll(cli, client, wanted)
  })
  const asJson = command.optsWithGlobals<GlobalOptions>().json === true
  if (asJson) cli.output.result(json(ended))
  else if (ended.length > 0) {
    cli.output.result(
      table(
        ['archive', 'ended as'],
        ended.map(({ archive, state }) => [archive, state]),
      ),
    )
  }
  return exitCodes.done
}

async function archivesOf(cli: Cli, config: Config, client: Client, name: string): Promise<string[]> {
  if (name.startsWith('archive/')) {
    if ((await stateOf(client, name)) !== null) return [name]
    const running = await runningArchives(client)
    throw new CodedError('CK-ARCHIVE-UNKNOWN', `there is no archive "${name}"${didYouMean(name, running)}`, {
      cure: `Give the workflow id of an archive, or its volume; ${count(running.length, 'archive runs', 'archives run')} now.`,
    })
  }
  const volumeId = await volumeIdOf(cli, config, name)
  const found = await runningArchives(client, ` AND WorkflowId STARTS_WITH '${archiveWorkflowPrefix(volumeId)}'`)
  if (found.length === 0) cli.output.note(`no archive of ${name} runs`)
  return found
}

/** A volume that was deleted may still have an archive that runs. */
async function volumeIdOf(cli: Cli, config: Config, name: string): Promise<string> {
  if (isVolumeId(name)) return name.toLowerCase()
  const cloud = await openCloud(cli, config)
  try {
    return (await findVolume(cloud.cinder, name)).id
  } finally {
    cloud.close()
  }
}

async function runningArchives(client: Client, also = ''): Promise<string[]> {
  const query = `WorkflowType = '${workflowTypes.archiveVolume}' AND ExecutionStatus = 'Running'${also}`
  const found: string[] = []
  for await (const { workflowId } of client.workflow.list({ query })) found.push(workflowId)
  return found
}

async function request(client: Client, archive: string): Promise<void> {
  try {
    await bounded(client, () => client.workflow.getHandle(archive).cancel())
  } catch (error) {
    // it ended meanwhile
    if (!(error instanceof WorkflowNotFoundError)) throw error
  }
}

async function awaitAll(cli: Cli, client: Client, archives: string[]): Promise<Ended[]> {
  const ended = new Map<string, string>()
  let told = performance.now()
  for (;;) {
    for (const archive of archives) {
      if (ended.has(archive)) continue
      const state = await stateOf(client, archive)
      if (state !== 'running') ended.set(archive, state ?? 'gone')
    }
    const left = archives.length - ended.size
    if (left === 0) return archives.map((archive) => ({ archive, state: ended.get(archive) ?? 'gone' }))
    if (cli.output.progress !== null) cli.output.progress(`${count(left, 'archive')} still cleaning up`)
    else if (performance.now() - told > tellEveryMs) {
      told = performance.now()
      cli.output.note(`${count(left, 'archive')} still cleaning up`)
    }
    await pause(pollMs, cli.signal, 'What was cancelled stops and cleans up all the same.')
  }
}

/** null: Temporal knows no such archive. */
async function stateOf(client: Client, archive: string): Promise<string | null> {
  try {
    const { status, type } = await bounded(client, () => client.workflow.getHandle(archive).describe())
    if (type !== workflowTypes.archiveVolume) return null
    return status.name === 'PAUSED' ? 'running' : status.name.toLowerCase()
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return null
    throw error
  }
}
