import { detachEvents } from './events.js'
import type { Policy, VolumeFacts } from './policy.js'
import { select } from './select.js'

/** Who would be protected by what, over all volumes of a cloud. */
export interface Plan {
  policies: PolicyPlan[]
  neverSelected: { volume: VolumeFacts; because: string }[]
  unprotected: { volume: VolumeFacts; reasons: string[] }[]
}

export interface PolicyPlan {
  policy: Policy
  protects: { volume: VolumeFacts; because: string; shadows: string[] }[]
  /** Volumes that match, but that an earlier policy protects. */
  shadowed: { volume: VolumeFacts; by: string }[]
  /** What an operator should know before relying on it; one sentence each. */
  warnings: string[]
}

/** @param volumes in any order; kept */
export function planPolicies(
  volumes: VolumeFacts[],
  policies: Policy[],
  installation: string,
  internalProjectId?: string,
): Plan {
  const plans = policies.map((policy): PolicyPlan => ({ policy, protects: [], shadowed: [], warnings: [] }))
  const plan: Plan = { policies: plans, neverSelected: [], unprotected: [] }
  for (const volume of volumes) {
    const { policy, neverBecause, reasons, shadows, undecided } = select(
      volume,
      policies,
      installation,
      internalProjectId,
    )
    if (neverBecause !== null) {
      plan.neverSelected.push({ volume, because: neverBecause })
    } else if (policy === null || undecided.length > 0) {
      plan.unprotected.push({ volume, reasons })
    } else {
      const because = reasons.find((reason) => reason.startsWith(`Policy ${policy.name} protects it: `)) ?? ''
      for (const one of plans) {
        if (one.policy === policy) one.protects.push({ volume, because, shadows })
        else if (shadows.includes(one.policy.name)) one.shadowed.push({ volume, by: policy.name })
      }
    }
  }
  for (const one of plans) one.warnings.push(...warningsOf(one), ...unknownProjects(one.policy, volumes))
  return plan
}

/** A project's name says nothing about volumes whose projects' names are hidden from us: they are not archived. */
function unknownProjects({ where }: Policy, volumes: VolumeFacts[]): string[] {
  const nameless = volumes.filter(({ projectName }) => projectName === null).length
  const known = new Set(volumes.flatMap(({ projectId, projectName }) => [projectId, projectName]))
  const unknown = [...(where.project ?? []), ...(where.exclude?.project ?? [])].filter((word) => !known.has(word))
  if (nameless === 0 || unknown.length === 0) return []
  return [
    `No volume is known to be of project ${unknown.join(', ')}, but the names of the projects of ${nameless} volumes cannot be ` +
      'read: write the id of the project, or give the identity the right to list projects in Keystone.',
  ]
}

/** What Cinder's nodes read and write a second at best; measured clouds are between a third and twice of it. */
const assumedMibPerSecond = 100

function warningsOf({ policy, protects, shadowed }: PolicyPlan): string[] {
  const warnings: string[] = []
  if (protects.length === 0) {
    const because = shadowed.length > 0 ? `: earlier policies protect all ${shadowed.length} volumes that match` : ''
    warnings.push(`It protects no volume${because}.`)
  }
  if (policy.on.length === 0 && policy.every === null) {
    warnings.push('It is `on` no event and has no `every`: only `cinderkeep archive` makes an archive.')
  }
  if (policy.where.server !== undefined && policy.on.some((event) => detachEvents.includes(event))) {
    warnings.push(
      'It selects by server: after a detach it protects the volume for that one archive, then no more until a server has it.',
    )
  }
  for (const { target, force } of policy.copies) {
    const forced = force === null ? [] : protects.filter(({ volume }) => volume.sizeGib <= force.maxSizeGib)
    if (force === null || forced.length < protects.length) {
      warnings.push(
        `Copies on ${target} are made from Cinder snapshots: each reads the whole volume, unless Cinder's backup driver is a chunked one.`,
      )
    }
    const largest = Math.max(0, ...forced.map(({ volume }) => volume.sizeGib))
    if (largest > 0) {
      const minutes = Math.ceil((largest * 1024) / assumedMibPerSecond / 60)
      warnings.push(
        `force on ${target} holds a volume in backing-up (no attach, extend, delete, live migration): about ${minutes} minutes for a first ` +
          `copy of the largest (${largest} GiB at ${assumedMibPerSecond} MiB/s), later ones as long as what changed takes.`,
      )
    }
  }
  if (policy.on.some((event) => detachEvents.includes(event))) return warnings
  if (policy.consistency.require === 'detached') {
    warnings.push('It requires detached but is on no detach event: volumes that stay attached are never archived.')
  }
  return warnings
}
