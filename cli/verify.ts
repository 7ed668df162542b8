import { randomUUID } from 'node:crypto'
import type { Client } from '@temporalio/client'
import type { Command } from 'commander'
import { CodedError } from '../errors/coded-error.js'
import type { RecoveryPoint } from '../workflows/messages.js'
import {
  controlQueue,
  verifyNowUpdate,
  volumeWorkflowId,
  workflowTypes,
  type VerifyNow,
} from '../workflows/messages.js'
import { bounded, withTemporal } from './call-volume.js'
import { checkTargets } from './check-targets.js'
import { configOf, type Cli, type GlobalOptions } from './context.js'
import { exitCodes, type ExitCode } from './exit-code.js'
import { findPoint, splitPoint } from './find-point.js'
import { followVerification, type Verified } from './follow-verification.js'
import { json } from './output.js'
import { readPoints } from './read-points.js'
import { table } from './table.js'
import { ago } from './words.js'

interface VerifyOptions extends GlobalOptions {
  target: string[]
}

/** `verify VOLUME@<point>`: has its copies read back and compared, and follows that to its end. */
export async function verify(cli: Cli, command: Command, written: string): Promise<ExitCode> {
  const options = command.optsWithGlobals<VerifyOptions>()
  const { volume, name } = splitPoint(written)
  const config = await configOf(cli, command)
  const wanted = [...new Set(options.target)]
  checkTargets(config, wanted)
  const { volumeId, points } = await readPoints(cli, config, volume)
  const point = findPoint(volume, volumeId, points, name)
  const targets = wanted.length === 0 ? null : copiesOn(point, wanted)
  const verified = await withTemporal(cli, config, async (client) => {
    const verification = await ask(client, point, targets)
    return await followVerification(cli, client, { verification, volume })
  })
  const text = options.json === true ? json(toJson(point, verified)) : toText(point, verified)
  cli.output.result(text)
  return exitCodeOf(verified)
}

function copiesOn({ volumeId, point, copies }: RecoveryPoint, wanted: string[]): string[] {
  for (const target of wanted) {
    if (copies.some((copy) => copy.target === target)) continue
    throw new CodedError('CK-POINT-UNKNOWN', `${volumeId}@${point} has no copy on ${target}`, {
      cure: `Its copies are on ${copies.map((copy) => copy.target).join(', ')}.`,
    })
  }
  return wanted
}

async function ask(client: Client, { volumeId, point }: RecoveryPoint, targets: string[] | null): Promise<string> {
  const { WithStartWorkflowOperation } = await import('@temporalio/client')
  type Entity = (carried?: unknown) => Promise<void>
  const id = randomUUID()
  const { verification } = await bounded(client, () =>
    client.workflow.executeUpdateWithStart<Entity, { verification: string }, [VerifyNow]>(verifyNowUpdate, {
      updateId: id,
      args: [{ id, point, targets }],
      startWorkflowOperation: new WithStartWorkflowOperation<Entity>(workflowTypes.watchVolume, {
        workflowId: volumeWorkflowId(volumeId),
        taskQueue: controlQueue,
        workflowIdConflictPolicy: 'USE_EXISTING',
        args: [],
      }),
    }),
  )
  return verification
}

function toText({ point }: RecoveryPoint, { copies }: Verified): string {
  const now = Date.now()
  const rows = copies.map(({ target, copy, found, reason, failure }) => [
    point,
    target,
    found ?? 'failed',
    copy.verifiedAt === null ? '-' : ago(copy.verifiedAt, now),
    copy.rootHash ?? '-',
    (failure?.message ?? reason ?? '').split('\n')[0] ?? '',
  ])
  return table(['point', 'copy on', 'found', 'verified', 'hash', 'remarks'], rows)
}

function toJson({ volumeId, point }: RecoveryPoint, verified: Verified): unknown {
  return {
    volume: volumeId,
    point,
    verification: verified.verification,
    copies: verified.copies.map(({ target, copy, found, reason, failure }) => ({
      ...{ target, found, state: copy.state, rootHash: copy.rootHash, verifiedAt: copy.verifiedAt, reason, failure },
    })),
  }
}

/** 0: every copy is verified. 3: some are, or could not be compared. 1: none is any good. */
export function exitCodeOf({ copies }: Pick<Verified, 'copies'>): ExitCode {
  if (copies.length > 0 && copies.every(({ found }) => found === 'verified')) return exitCodes.done
  const some = copies.some(({ found }) => found === 'verified' || found === 'unverified')
  return some ? exitCodes.partly : exitCodes.failed
}
