import type { Client } from '@temporalio/client'
import type { Command } from 'commander'
import { randomUUID } from 'node:crypto'
import { CodedError } from '../errors/coded-error.js'
import type { AppliedPolicies } from '../policy/policy.js'
import { controlQueue, workflowTypes } from '../workflows/messages.js'
import type { Finding, ReconcileReport } from '../workflows/report-messages.js'
import { bounded, withTemporal } from './call-volume.js'
import { configOf, pause, type Cli, type GlobalOptions } from './context.js'
import { exitCodes, type ExitCode } from './exit-code.js'
import { meters } from './meter.js'
import { json } from './output.js'
import { describeWorkflow, progressOf } from './pending.js'
import { table } from './table.js'
import { progressTeller } from './tell-progress.js'
import { count } from './words.js'

const pollMs = 500

/** `reconcile`: compares the cloud with what is known of it now, and shows what was found and is mended. */
export async function reconcile(cli: Cli, command: Command): Promise<ExitCode> {
  const config = await configOf(cli, command)
  const { readAppliedPolicies } = await import('../worker/applied-policies.js')
  const report = await withTemporal(cli, config, async (client) => {
    const applied = await readAppliedPolicies(client)
    if (applied === null) {
      throw new CodedError(
        'CK-POLICY-NONE',
        `no policies were ever applied in the namespace ${client.options.namespace}`,
        {
          cure: 'Apply those of the file: cinderkeep policy apply. `cinderkeep run` does so by itself when it starts.',
        },
      )
    }
    return await run(cli, client, applied)
  })
  const asJson = command.optsWithGlobals<GlobalOptions>().json === true
  cli.output.result(asJson ? json(toJson(report)) : toText(report))
  return report.found.some(({ untold }) => untold !== null) ? exitCodes.partly : exitCodes.done
}

/** A run of its own beside those of the schedule: whatever both find, a volume is asked about twice at most. */
async function run(cli: Cli, client: Client, applied: AppliedPolicies): Promise<ReconcileReport> {
  const workflowId = `reconcile/${randomUUID()}`
  await client.workflow.start<(applied: AppliedPolicies) => Promise<ReconcileReport>>(workflowTypes.reconcile, {
    ...{ workflowId, taskQueue: controlQueue, args: [applied] },
    staticSummary: 'compares all volumes with what is known of them; asked for by a person',
  })
  const meterOf = meters()
  const tell = progressTeller(cli)
  for (;;) {
    const description = await describeWorkflow(client, workflowId)
    if (description !== null && description.status.name !== 'RUNNING') break
    tell(`reconcile: ${description === null ? 'starting' : progressOf(description, meterOf)}`)
    await pause(pollMs, cli.signal, `It goes on: ${workflowId}`)
  }
  try {
    return (await bounded(client, () => client.workflow.getHandle(workflowId).result())) as ReconcileReport
  } catch (error) {
    if (!(error instanceof Error) || error.name !== 'WorkflowFailedError') throw error
    const why = error.cause instanceof Error ? `: ${error.cause.message}` : ''
    throw new CodedError('CK-RECONCILE-FAILED', `${workflowId} did not come to its end${why}`, {
      cure: 'Its history in the Temporal UI shows what stopped it. The schedule compares again at its next time.',
      cause: error,
    })
  }
}

function toText({ volumes, protected: ours, watched, counts, found }: ReconcileReport): string {
  const total = Object.values(counts).reduce((sum, amount) => sum + amount, 0)
  const seen = `${count(volumes, 'volume')}, ${ours} protected, ${watched} watched`
  if (total === 0) return `nothing was missed (${seen})`
  const rows = found.map(({ volume, name, project, why, says, untold }) => [
    name === null || name === '' || name === volume ? '-' : name,
    volume,
    project ?? '-',
    why,
    untold === null ? says : `${says} It could not be told: ${untold}`,
  ])
  const lines = [table(['volume', 'id', 'project', 'why', 'found'], rows)]
  if (total > found.length) lines.push(`and ${total - found.length} more`)
  return [...lines, '', `${count(total, 'volume is', 'volumes are')} told to look again (${seen})`].join('\n')
}

function toJson({ at, policyHash, volumes, protected: ours, watched, counts, found }: ReconcileReport): unknown {
  return {
    ...{ at, policyHash, volumes, protected: ours, watched, counts },
    found: found.map(({ volume, name, project, why, says, untold }: Finding) => ({
      ...{ volume, name, project, why, says, untold },
    })),
  }
}
