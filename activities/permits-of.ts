import { matchPattern } from '../source/match-pattern.js'
import type { PermitWanted } from '../workflows/messages.js'
import { backendScope, everything, policyScope, targetScope } from '../workflows/messages.js'

/** How many archives may use something at once, as configured; what is not named is not limited. */
export interface PermitLimits {
  /** By the target's name. */
  targets: ReadonlyMap<string, number>
  /** The first whose `match` fits a volume's host counts, for each `host@backend` by itself; null: no limit. */
  sources: { match: string; permits: number | null }[]
}

/** What an archive must be permitted to use before it captures: whatever has a limit or is paused. */
export function permitsOf(
  limits: PermitLimits,
  paused: readonly string[],
  archive: { host: string | null; targets: string[]; policy: { name: string; permits: number | null } | null },
): PermitWanted[] {
  const { host, targets, policy } = archive
  const source = host === null ? undefined : limits.sources.find(({ match }) => matchPattern(match, host))
  const wanted: PermitWanted[] = [
    { scope: everything, limit: null },
    ...(host === null ? [] : [{ scope: backendScope(host), limit: source?.permits ?? null }]),
    ...targets.map((target) => ({ scope: targetScope(target), limit: limits.targets.get(target) ?? null })),
    ...(policy === null ? [] : [{ scope: policyScope(policy.name), limit: policy.permits }]),
  ]
  return wanted.filter(({ scope, limit }) => limit !== null || paused.includes(scope))
}
