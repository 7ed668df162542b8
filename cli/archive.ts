import { randomUUID } from 'node:crypto'
import type { Client } from '@temporalio/client'
import type { Command } from 'commander'
import type { Config } from '../config/config.js'
import type { Volume } from '../openstack/cinder.js'
import {
  archiveNowUpdate,
  controlQueue,
  isDeferral,
  manualSlot,
  volumeWorkflowId,
  workflowTypes,
  type ArchiveNow,
  type TargetOutcome,
} from '../workflows/messages.js'
import { bounded, withTemporal } from './call-volume.js'
import { checkTargets } from './check-targets.js'
import { configOf, type Cli, type GlobalOptions } from './context.js'
import { exitCodes, type ExitCode } from './exit-code.js'
import { findVolume } from './find-volume.js'
import { followArchives, type Asked, type Followed } from './follow-archives.js'
import { openCloud } from './open-cloud.js'
import { json } from './output.js'
import { table } from './table.js'
import { ago, size } from './words.js'

interface ArchiveOptions extends GlobalOptions {
  target: string[]
  wait?: boolean
}

/** `archive VOLUME…`: asks each volume's workflow for an archive now; with `--wait` follows them to their ends. */
export async function archive(cli: Cli, command: Command, names: string[]): Promise<ExitCode> {
  const options = command.optsWithGlobals<ArchiveOptions>()
  const config = await configOf(cli, command)
  const targets = [...new Set(options.target)]
  checkTargets(config, targets)
  // all are known before the first is asked for: a slip in the last name archives nothing
  const volumes = await findVolumes(cli, config, names)
  const followed = await withTemporal(cli, config, async (client) => {
    const asked: Asked[] = []
    try {
      for (const volume of volumes) asked.push(await ask(client, volume, targets.length === 0 ? null : targets))
    } catch (error) {
      if (asked.length > 0) cli.output.note(`Asked for already, and going on: ${idsOf(asked)}`)
      throw error
    }
    return await followArchives(cli, client, asked, options.wait === true)
  })
  const text = options.json === true ? json(followed.map(toJson)) : toText(followed)
  if (text !== '') cli.output.result(text)
  for (const { asked, reasons, state } of followed) {
    if (reasons.length > 0) cli.output.note(`${label(asked)}: ${state}: ${reasons.join(' ')}`)
  }
  return exitCodeOfAll(followed, options.wait === true)
}

async function findVolumes(cli: Cli, config: Config, names: string[]): Promise<Volume[]> {
  const cloud = await openCloud(cli, config)
  try {
    const volumes = new Map<string, Volume>()
    for (const name of names) {
      const volume = await findVolume(cloud.cinder, name)
      volumes.set(volume.id, volume)
    }
    return [...volumes.values()]
  } finally {
    cloud.close()
  }
}

async function ask(client: Client, volume: Volume, targets: string[] | null): Promise<Asked> {
  const { WithStartWorkflowOperation } = await import('@temporalio/client')
  const id = randomUUID()
  const { archive } = await bounded(client, () =>
    client.workflow.executeUpdateWithStart<(carried?: unknown) => Promise<void>, { archive: string }, [ArchiveNow]>(
      archiveNowUpdate,
      {
        updateId: id,
        args: [{ id, targets }],
        startWorkflowOperation: new WithStartWorkflowOperation<(carried?: unknown) => Promise<void>>(
          workflowTypes.watchVolume,
          {
            workflowId: volumeWorkflowId(volume.id),
            taskQueue: controlQueue,
            workflowIdConflictPolicy: 'USE_EXISTING',
            args: [],
          },
        ),
      },
    ),
  )
  return { volumeId: volume.id, name: volume.name, requestId: id, slot: manualSlot(id), archive, targets }
}

function idsOf(asked: Asked[]): string {
  return asked.map(({ archive }) => archive).join(', ')
}

function label({ name, volumeId }: Asked): string {
  return name === '' ? volumeId : name
}

function toText(followed: Followed[]): string {
  if (followed.every(({ outcome }) => outcome === null)) {
    // a refused archive has an id under which nothing will ever be found
    const accepted = followed.filter(({ state }) => state !== 'refused')
    return accepted.map(({ asked }) => asked.archive).join('\n')
  }
  const now = Date.now()
  const rows = followed.flatMap(({ asked, state, outcome }) =>
    (outcome?.targets ?? []).length === 0
      ? [[label(asked), '-', '-', state, '-', '-', '']]
      : (outcome?.targets ?? []).map(({ target, copy, failure }) => [
          label(asked),
          outcome?.capture?.point ?? '-',
          target,
          stateOf({ copy, failure }),
          copy === null ? '-' : size(copy.sizeBytes),
          copy?.verifiedAt == null ? '-' : ago(copy.verifiedAt, now),
          failure?.message.split('\n')[0] ?? copy?.reason ?? '',
        ]),
  )
  return table(['volume', 'point', 'target', 'copy', 'size', 'verified', 'remarks'], rows, [4])
}

function stateOf({ copy, failure }: Pick<TargetOutcome, 'copy' | 'failure'>): string {
  if (isDeferral({ failure })) return 'deferred'
  return failure !== null && copy?.state !== 'damaged' ? 'failed' : (copy?.state ?? 'failed')
}

function toJson({ asked, state, reasons, outcome }: Followed): unknown {
  return {
    volume: asked.volumeId,
    name: asked.name,
    archive: asked.archive,
    slot: asked.slot,
    state,
    reasons,
    point: outcome?.capture?.point ?? null,
    consistency: outcome?.capture?.consistency ?? null,
    copies: (outcome?.targets ?? []).map(({ target, copy, failure }) => ({
      target,
      state: copy?.state ?? null,
      rootHash: copy?.rootHash ?? null,
      verifiedAt: copy?.verifiedAt ?? null,
      reason: copy?.reason ?? null,
      failure,
    })),
  }
}

/** 3 as soon as one volume has something good and anything is missing. */
export function exitCodeOfAll(followed: Followed[], waited: boolean): ExitCode {
  if (!waited) {
    const refused = followed.filter(({ state }) => state === 'refused').length
    if (refused === 0) return exitCodes.done
    return refused === followed.length ? exitCodes.failed : exitCodes.partly
  }
  if (followed.every(({ state }) => state === 'verified')) return exitCodes.done
  const some = followed.some(({ state, outcome }) => {
    if (state === 'deferred') return true
    const good = outcome?.targets.some(({ copy }) => copy?.state === 'verified' || copy?.state === 'unverified')
    return state === 'verified' || good === true
  })
  return some ? exitCodes.partly : exitCodes.failed
}
