import type { Command } from 'commander'
import { didYouMean } from '../config/nearest.js'
import type { Config } from '../config/config.js'
import { CodedError } from '../errors/coded-error.js'
import { planPolicies, type Plan, type PolicyPlan } from '../policy/plan.js'
import { policyHash } from '../policy/policy-hash.js'
import type { VolumeFacts } from '../policy/policy.js'
import { volumeFacts } from '../policy/volume-facts.js'
import { configOf, type Cli, type GlobalOptions } from './context.js'
import { exitCodes, type ExitCode } from './exit-code.js'
import { openCloud, type Cloud } from './open-cloud.js'
import { json } from './output.js'
import { printable } from './printable.js'
import { table } from './table.js'
import { count } from './words.js'

/** `policy plan`: which volumes each policy protects, and why. Reads Cinder and Keystone; changes nothing. */
export async function policyPlan(cli: Cli, command: Command, name: string | undefined): Promise<ExitCode> {
  const config = await configOf(cli, command)
  const names = config.policies.map((policy) => policy.name)
  if (name !== undefined && !names.includes(name)) {
    throw new CodedError('CK-USAGE', `there is no policy "${name}"${didYouMean(name, names)}`, {
      cure: `Policies in ${config.path} are ${names.join(', ') || 'none'}.`,
    })
  }
  const plan = await planOf(cli, config)
  const shown = plan.policies.filter(({ policy }) => name === undefined || policy.name === name)
  const asJson = command.optsWithGlobals<GlobalOptions>().json === true
  cli.output.result(asJson ? json(toJson(config, plan, shown)) : toText(plan, shown, name === undefined))
  return exitCodes.done
}

async function planOf(cli: Cli, config: Config): Promise<Plan> {
  const cloud = await openCloud(cli, config)
  try {
    const volumes = await listVolumes(cloud)
    return planPolicies(volumes, config.policies, config.installation, config.internalProjectId ?? undefined)
  } finally {
    cloud.close()
  }
}

async function listVolumes({ cinder, keystone }: Cloud): Promise<VolumeFacts[]> {
  const projects = new Map((await keystone.listProjects())?.map(({ id, name }) => [id, name]))
  const volumes: VolumeFacts[] = []
  for await (const volume of cinder.listVolumes({ allProjects: true })) {
    volumes.push(volumeFacts(volume, projects.get(volume.projectId) ?? null))
  }
  return volumes
}

function toText(plan: Plan, shown: PolicyPlan[], all: boolean): string {
  const parts = shown.map(policyText)
  if (all) {
    const never = plan.neverSelected.map(({ volume, because }) => `  ${label(volume)}: ${because}`)
    parts.push(
      [
        `${count(plan.unprotected.length, 'volume is', 'volumes are')} protected by no policy`,
        ...plan.unprotected.map(({ volume }) => `  ${label(volume)}`),
        `${count(plan.neverSelected.length, 'volume is', 'volumes are')} never selected`,
        ...never,
      ].join('\n'),
    )
  }
  return parts.join('\n\n')
}

function policyText({ policy, protects, shadowed, warnings }: PolicyPlan): string {
  const copies = policy.copies.map(({ target, force }) => (force === null ? target : `${target} (force)`))
  const lines = [`${policy.name}: protects ${count(protects.length, 'volume')} → ${copies.join(', ')}`]
  if (protects.length > 0) {
    const rows = protects.map(({ volume, because, shadows }) => [
      volume.name || '-',
      volume.id,
      volume.projectName ?? volume.projectId,
      `${volume.sizeGib} GiB`,
      reason(because),
      shadows.join(', '),
    ])
    const text = table(['volume', 'id', 'project', 'size', 'because', 'also matched by'], rows, [3])
    lines.push(...text.split('\n').map((line) => `  ${line}`))
  }
  const by = new Map<string, number>()
  for (const one of shadowed) by.set(one.by, (by.get(one.by) ?? 0) + 1)
  for (const [name, amount] of by) {
    lines.push(`  shadowed: ${count(amount, 'more volume matches', 'more volumes match')}, but ${name} stands first`)
  }
  return [...lines, ...warnings.map((warning) => `  note: ${warning}`)].join('\n')
}

/** The sentence without what the table says already. */
function reason(because: string): string {
  return because.replace(/^Policy \S+ protects it: /, '').replace(/\.$/, '')
}

function label({ id, name, projectName, projectId }: VolumeFacts): string {
  return printable(`${name === '' ? '' : `${name} `}${id} (${projectName ?? projectId})`)
}

function toJson(config: Config, plan: Plan, shown: PolicyPlan[]): unknown {
  const plain = (volume: VolumeFacts) => ({
    volume: volume.id,
    name: volume.name,
    project: volume.projectId,
    projectName: volume.projectName,
    sizeBytes: volume.sizeGib * 2 ** 30,
  })
  return {
    policyHash: policyHash(config.policies),
    policies: shown.map(({ policy, protects, shadowed, warnings }) => ({
      policy: policy.name,
      targets: policy.copies.map(({ target }) => target),
      protects: protects.map(({ volume, because, shadows }) => ({ ...plain(volume), because, shadows })),
      shadowed: shadowed.map(({ volume, by }) => ({ ...plain(volume), by })),
      warnings,
    })),
    unprotected: plan.unprotected.map(({ volume, reasons }) => ({ ...plain(volume), reasons })),
    neverSelected: plan.neverSelected.map(({ volume, because }) => ({ ...plain(volume), because })),
  }
}
