import type { Policy, VolumeFacts } from '../policy/policy.js'
import { select } from '../policy/select.js'
import type { Protection } from '../workflows/messages.js'
import type { Entity } from './list-entities.js'

/** A volume that a policy protects, or of which copies are kept. */
export interface ProtectedVolume {
  volume: string
  name: string
  /** Its name where that is known. */
  project: string
  policy: string | null
  /** When its last verified point was captured, ISO 8601. */
  verifiedAt: string | null
  ageSeconds: number | null
  rpoSeconds: number | null
  points: number
  dueAt: string | null
  /** `pending`: no verified point yet, but there is time. `unknown`: a policy protects it, but it has no workflow. */
  state: Protection | 'pending' | 'unknown'
  overdue: boolean
  /** What to do, when that is not plain. */
  remark: string | null
}

/**
 * What the cloud has, seen through the policies, beside what Temporal knows; by project and name.
 * @param now milliseconds since the epoch
 */
export function protectedVolumes(
  volumes: VolumeFacts[],
  entities: ReadonlyMap<string, Entity>,
  config: { policies: Policy[]; installation: string; internalProjectId: string | null },
  now: number,
): ProtectedVolume[] {
  const facts = new Map(volumes.map((volume) => [volume.id, volume]))
  const rows: ProtectedVolume[] = []
  for (const id of new Set([...facts.keys(), ...entities.keys()])) {
    const volume = facts.get(id)
    const entity = entities.get(id)
    const selected = volume === undefined ? null : policyOf(volume, config)
    if (selected === null && (entity === undefined || !isKept(entity))) continue
    const policy = entity === undefined ? selected : entity.policy
    const rpoSeconds = config.policies.find(({ name }) => name === policy)?.rpoSeconds ?? null
    const verifiedAt = entity?.verifiedAt ?? null
    const ageSeconds = verifiedAt === null ? null : Math.max(0, Math.round((now - Date.parse(verifiedAt)) / 1000))
    const state = entity === undefined ? 'unknown' : (entity.protection ?? 'pending')
    rows.push({
      volume: id,
      name: volume?.name ?? (entity?.name === id ? '' : (entity?.name ?? '')),
      project: volume?.projectName ?? entity?.project ?? volume?.projectId ?? '',
      ...{ policy, verifiedAt, ageSeconds, rpoSeconds, state },
      points: entity?.points ?? 0,
      dueAt: entity?.dueAt ?? null,
      overdue: isOverdue({ state, ageSeconds, rpoSeconds }),
      remark: remarkOf(entity, selected),
    })
  }
  return rows.sort((a, b) => a.project.localeCompare(b.project) || a.name.localeCompare(b.name))
}

/** Every new volume's workflow lives for a moment, until it is known that no policy protects it and no copy of it exists. */
function isKept({ policy, points, protection }: Entity): boolean {
  return policy !== null || points > 0 || (protection !== null && protection !== 'rebuilding')
}

function policyOf(
  volume: VolumeFacts,
  config: { policies: Policy[]; installation: string; internalProjectId: string | null },
): string | null {
  const { policies, installation, internalProjectId } = config
  return select(volume, policies, installation, internalProjectId ?? undefined).policy?.name ?? null
}

/** Of what nobody knows it must be assumed; of a volume that is gone no newer point can come. */
function isOverdue({ state, ageSeconds, rpoSeconds }: Pick<ProtectedVolume, 'state' | 'ageSeconds' | 'rpoSeconds'>) {
  if (state === 'overdue') return true
  if (state === 'source-gone' || rpoSeconds === null) return false
  return state === 'unknown' || (ageSeconds !== null && ageSeconds > rpoSeconds)
}

function remarkOf(entity: Entity | undefined, selected: string | null): string | null {
  if (entity === undefined) {
    return 'has no workflow yet: see `cinderkeep reconcile`'
  }
  if (entity.protection === 'source-gone' || entity.protection === 'rebuilding') return null
  if (selected === entity.policy) return null
  if (selected === null) return 'no policy of this file protects it any more'
  return `this file says ${selected}: \`cinderkeep policy apply\`, then \`cinderkeep reconcile\``
}
