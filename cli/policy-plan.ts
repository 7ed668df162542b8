import type { Command } from 'commander'
import type { AttachedVolume } from '../activities/nova-way.js'
import { didYouMean } from '../config/nearest.js'
import type { Config } from '../config/config.js'
import { CodedError } from '../errors/coded-error.js'
import { dueOf, timesOf, type PolicyTimes, type VolumeDue } from '../policy/due-of.js'
import { planPolicies, type Plan, type PolicyPlan } from '../policy/plan.js'
import { policyHash } from '../policy/policy-hash.js'
import type { VolumeFacts } from '../policy/policy.js'
import { commandLog, configOf, type Cli, type GlobalOptions } from './context.js'
import { exitCodes, type ExitCode } from './exit-code.js'
import type { Attached } from './freezing.js'
import { fullReads } from './full-reads.js'
import { knownOfPolicies, type Known } from './known-of-policies.js'
import { listFacts } from './list-facts.js'
import { openCloud, type Cloud } from './open-cloud.js'
import { json } from './output.js'
import { agentsFor, planFreezing, serversToFreeze, type VolumeFreezing } from './plan-freezing.js'
import { planText } from './policy-plan-text.js'
import { roomFor } from './room-for.js'

/** One policy, when it comes, and how its volumes stand against that. */
export interface ShownPolicy extends Omit<PolicyPlan, 'protects'> {
  times: PolicyTimes
  protects: (PolicyPlan['protects'][number] & {
    verifiedAt: string | null
    due: VolumeDue | null
    /** Null: its policy freezes nobody, or Nova could not be asked. */
    freezing: VolumeFreezing | null
  })[]
}

/** `policy plan`: which volumes each policy protects, what is due, and why. Changes nothing, and needs no Temporal. */
export async function policyPlan(cli: Cli, command: Command, name: string | undefined): Promise<ExitCode> {
  const config = await configOf(cli, command)
  const names = config.policies.map((policy) => policy.name)
  if (name !== undefined && !names.includes(name)) {
    throw new CodedError('CK-USAGE', `there is no policy "${name}"${didYouMean(name, names)}`, {
      cure: `Policies in ${config.path} are ${names.join(', ') || 'none'}.`,
    })
  }
  const [{ plan, attached }, known] = await Promise.all([planOf(cli, config, name), knownOfPolicies(cli, config)])
  const plans = plan.policies.filter(isShown(name))
  const agents = attached === null ? null : await agentsFor(cli, config, plans, attached.servers, known !== null)
  const now = Date.now()
  const shown = plans.map((one) => {
    const freezing = attached === null ? new Map<string, VolumeFreezing>() : planFreezing(one, attached, agents)
    return withTimes(one, freezing, known, now)
  })
  const asJson = command.optsWithGlobals<GlobalOptions>().json === true
  const rest = name === undefined ? plan : null
  cli.output.result(asJson ? json(toJson(config, plan, shown, known)) : planText(shown, rest, known !== null, now))
  if (known !== null && known.applied?.policyHash !== policyHash(config.policies)) {
    const what =
      known.applied === null ? 'no policies are applied yet' : `other policies are applied than those of ${config.path}`
    cli.output.note(`note: ${what}; see and change that with: cinderkeep policy apply`)
  }
  return exitCodes.done
}

const isShown =
  (name: string | undefined) =>
  ({ policy }: PolicyPlan): boolean =>
    name === undefined || policy.name === name

/** `attached` is null where none of the policies freezes servers, or Nova does not tell. */
async function planOf(
  cli: Cli,
  config: Config,
  name: string | undefined,
): Promise<{ plan: Plan; attached: Attached | null }> {
  const cloud = await openCloud(cli, config)
  try {
    const hosts = new Map<string, string | null>()
    const inUse = new Map<string, AttachedVolume>()
    const volumes = await listFacts(cloud, config.policies, ({ id, host, attachments, bootable, imageMetadata }) => {
      hosts.set(id, host)
      if (attachments.length > 0) inUse.set(id, { id, attachments, bootable, imageMetadata })
    })
    const plan = planPolicies(volumes, config.policies, config.installation, config.internalProjectId ?? undefined)
    const plans = plan.policies.filter(isShown(name))
    await warnOfRoom(cli, config, cloud, plans, hosts)
    const servers = await serversToFreeze(cloud.nova, plans)
    return { plan, attached: servers && { servers, volumes: inUse } }
  } finally {
    cloud.close()
  }
}

/** What has no room is a warning, and so is that it cannot be told. */
async function warnOfRoom(
  cli: Cli,
  config: Config,
  { cinder }: Cloud,
  plans: PolicyPlan[],
  hosts: ReadonlyMap<string, string | null>,
): Promise<void> {
  const [{ openTargets }, { openSources }] = await Promise.all([
    import('../targets/open-targets.js'),
    import('../source/open-sources.js'),
  ])
  const { installation } = config
  const sources = openSources(config.sources)
  const targets = openTargets(config.targets, { cinder, sources, installation, log: commandLog(config) })
  const context = { signal: cli.signal, report: () => undefined }
  for (const plan of plans) {
    plan.warnings.push(...fullReads(plan, targets, sources, hosts))
    try {
      plan.warnings.push(...(await roomFor(plan, targets, hosts, context)))
    } catch (error) {
      if (!(error instanceof CodedError)) throw error
      plan.warnings.push(`Whether there is room for its copies cannot be told: ${error.code}  ${error.message}.`)
    }
  }
}

function withTimes(
  plan: PolicyPlan,
  freezing: ReadonlyMap<string, VolumeFreezing>,
  known: Known | null,
  now: number,
): ShownPolicy {
  const { policy } = plan
  const protects = plan.protects.map((one) => {
    const verifiedAt = known?.entities.get(one.volume.id)?.verifiedAt ?? null
    // its consistency is in no column; what is due does not depend on it
    const last = verifiedAt === null ? null : { capturedAt: verifiedAt, consistency: 'crash' as const }
    const due = known === null ? null : dueOf(policy, one.volume, last, now)
    return { ...one, verifiedAt, due, freezing: freezing.get(one.volume.id) ?? null }
  })
  const times = timesOf(policy, now)
  return { ...plan, warnings: [...plan.warnings, ...times.warnings], times, protects }
}

function freezingJson({ by, servers, together, reason }: VolumeFreezing): unknown {
  const plain = servers.map(({ id, name, status, hypervisorHost: hypervisor }) => ({ id, name, status, hypervisor }))
  return { by, servers: plain, together, reason }
}

function toJson(config: Config, plan: Plan, shown: ShownPolicy[], known: Known | null): unknown {
  const plain = (volume: VolumeFacts) => ({
    volume: volume.id,
    name: volume.name,
    project: volume.projectId,
    projectName: volume.projectName,
    sizeBytes: volume.sizeGib * 2 ** 30,
  })
  return {
    policyHash: policyHash(config.policies),
    applied:
      known === null
        ? null
        : { policyHash: known.applied?.policyHash ?? null, appliedAt: known.applied?.appliedAt ?? null },
    policies: shown.map(({ policy, protects, shadowed, warnings, times }) => ({
      policy: policy.name,
      targets: policy.copies.map(({ target }) => target),
      every: policy.every,
      timezone: policy.timezone,
      lastAt: times.lastAt,
      nextAt: times.nextAt,
      windowOpensAt: times.opensAt,
      rpoSeconds: policy.rpoSeconds,
      protects: protects.map(({ volume, because, shadows, verifiedAt, due, freezing }) => ({
        ...plain(volume),
        ...{ because, shadows, verifiedAt },
        due: due?.now ?? null,
        overdue: due?.overdue ?? null,
        freezing: freezing && freezingJson(freezing),
      })),
      shadowed: shadowed.map(({ volume, by }) => ({ ...plain(volume), by })),
      warnings,
    })),
    unprotected: plan.unprotected.map(({ volume, reasons }) => ({ ...plain(volume), reasons })),
    neverSelected: plan.neverSelected.map(({ volume, because }) => ({ ...plain(volume), because })),
  }
}
