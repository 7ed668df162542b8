import type { Command } from 'commander'
import type { Config } from '../config/config.js'
import type { PolicyChange } from '../policy/difference.js'
import type { ApplyPlan, ScheduleChange } from '../worker/schedules.js'
import { withTemporal } from './call-volume.js'
import { confirm } from './confirm.js'
import { configOf, type Cli, type GlobalOptions } from './context.js'
import { exitCodes, type ExitCode } from './exit-code.js'
import { json } from './output.js'
import { ago, count } from './words.js'

/** `policy apply`: makes Temporal's schedules equal the file, and the file's policies the ones that workers go by. */
export async function policyApply(cli: Cli, command: Command): Promise<ExitCode> {
  const config = await configOf(cli, command)
  const { yes, json: asJson } = command.optsWithGlobals<GlobalOptions & { yes?: boolean }>()
  const { apply, changesNothing, planApply } = await import('../worker/schedules.js')
  return await withTemporal(cli, config, async (client) => {
    const plan = await planApply(client, config)
    const nothing = changesNothing(plan)
    if (asJson !== true) cli.output.result(nothing ? nothingText(config, plan) : planText(config, plan))
    try {
      if (!nothing && yes !== true && !(await confirm(cli, 'Apply this?'))) {
        cli.output.note('nothing was changed')
        return exitCodes.failed
      }
      if (!nothing) await apply(client, config, plan)
    } catch (error) {
      if (asJson === true) cli.output.result(json(toJson(config, plan, false)))
      throw error
    }
    if (asJson === true) cli.output.result(json(toJson(config, plan, true)))
    else if (!nothing) cli.output.note(doneText(plan))
    return exitCodes.done
  })
}

function nothingText({ path, policies }: Config, { before, paused }: ApplyPlan): string {
  const since = before === null ? '' : `, applied ${ago(before.appliedAt, Date.now())}`
  const what = `${count(policies.length, 'policy', 'policies')} of ${path}${since}`
  return [`nothing to do: the schedules are as they should be (${what})`, ...paused.map(pausedText)].join('\n')
}

function planText({ path }: Config, { before, policies, schedules, paused, publishes }: ApplyPlan): string {
  const now = before === null ? 'nothing was ever applied here' : `applied ${ago(before.appliedAt, Date.now())}`
  const lines = [`policies of ${path} (${now})`]
  lines.push(...policies.flatMap((one) => changeLines(`policy ${one.policy}`, one)))
  if (policies.length === 0) lines.push(publishes ? '  ~ another wording of the same policies' : '  no difference')
  lines.push('schedules', ...schedules.flatMap((one) => changeLines(one.schedule, one)))
  if (schedules.length === 0) lines.push('  no difference')
  return [...lines, ...paused.map(pausedText)].join('\n')
}

const signs = { added: '+', created: '+', changed: '~', removed: '-', deleted: '-' } as const

function changeLines(name: string, { kind, changes }: PolicyChange | ScheduleChange): string[] {
  if (kind !== 'changed') return [`  ${signs[kind]} ${[name, ...changes].join('  ')}`]
  return [`  ~ ${name}`, ...changes.map((change) => `      ${change}`)]
}

function pausedText(schedule: string): string {
  return `note: schedule ${schedule} was paused by hand and stays so (temporal schedule toggle --unpause -s ${schedule})`
}

function doneText({ schedules, policyHash }: ApplyPlan): string {
  const parts = (['created', 'changed', 'deleted'] as const).flatMap((kind) => {
    const amount = schedules.filter((one) => one.kind === kind).length
    return amount === 0 ? [] : [`${count(amount, 'schedule')} ${kind}`]
  })
  return [...parts, `policies ${policyHash.slice(0, 12)} published; workers with another file decide nothing`].join(
    ', ',
  )
}

/** @param applied whether the file's policies are the applied ones now */
function toJson({ path }: Config, plan: ApplyPlan, applied: boolean): unknown {
  const { before, policyHash, policies, schedules, paused } = plan
  return {
    file: path,
    policyHash,
    before: before === null ? null : { policyHash: before.policyHash, appliedAt: before.appliedAt },
    ...{ policies, schedules, paused, applied },
  }
}
