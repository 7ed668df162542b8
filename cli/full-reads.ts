import type { PolicyPlan } from '../policy/plan.js'
import type { Sources } from '../source/source.js'
import type { Target } from '../targets/target.js'

/**
 * What `policy plan` warns of: copies that could be made from what changed alone, and are full reads, since Cinder takes
 * the snapshot.
 * @param hosts Cinder's `host@backend#pool` of each volume
 */
export function fullReads(
  { policy, protects }: Pick<PolicyPlan, 'policy' | 'protects'>,
  targets: ReadonlyMap<string, Pick<Target, 'reads'>>,
  sources: Pick<Sources, 'find'>,
  hosts: ReadonlyMap<string, string | null>,
): string[] {
  const readsSource = (target: string) => targets.get(target)?.reads === 'source'
  const names = policy.copies.map(({ target }) => target)
  const able = names.filter(readsSource)
  if (able.length === 0) return []
  const others = names.filter((target) => !readsSource(target))
  const reads = `are full reads, of a snapshot of Cinder’s that keeps the volume from being deleted meanwhile`
  if (others.length > 0)
    return [`Copies on ${able.join(', ')} ${reads}: ${others.join(', ')} of the same policy needs it.`]
  const without = protects.filter(({ volume }) => sources.find(hosts.get(volume.id) ?? null)?.kind !== 'rbd')
  if (without.length === 0) return []
  const [first] = without
  const which = `${without.length} of its volumes (${first?.volume.name || first?.volume.id || ''}${without.length > 1 ? ', …' : ''})`
  return [`Copies on ${able.join(', ')} of ${which} ${reads}: no source of kind rbd serves them.`]
}
