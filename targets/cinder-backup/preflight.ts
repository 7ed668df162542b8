import { CodedError } from '../../errors/coded-error.js'
import type { Limits, Pool } from '../../openstack/cinder.js'
import type { Fit, WriteOptions } from '../target.js'
import type { Setting } from './setting.js'

/** What one more archive of a volume takes at its widest. */
interface Need {
  /** Cinder's snapshot, unless the backup driver makes its own (`force`). */
  snapshots: 0 | 1
  /** The temporary volume to back up, later the scratch volume to restore into: never both at once. */
  volumes: 0 | 1
  sizeGib: number
}

/**
 * Looks at the quota of our project, where everything that we make counts, and at the pool of the volume's backend.
 * Others may take the room meanwhile: then Cinder refuses, and the archive is put off after it has cleaned up.
 */
export async function preflight(
  setting: Setting,
  volume: { sizeGib: number; host: string | null },
  { force }: WriteOptions,
): Promise<Fit> {
  const { cinder, options, sources } = setting
  // a chunked driver backs up the snapshot; without a source nothing is restored to be compared
  const needsVolume = !force && (options.driver !== 'chunked' || sources.find(volume.host) !== undefined)
  const need: Need = { snapshots: force ? 0 : 1, volumes: needsVolume ? 1 : 0, sizeGib: volume.sizeGib }
  const short = quotaShortage(await cinder.getLimits(), need)
  if (short.length > 0) return { fits: false, reason: `the quota of our project is too small: ${short.join('; ')}` }
  if (!needsVolume) return { fits: true }
  const full = poolShortage(await poolOf(setting, volume.host), need)
  return full === null ? { fits: true } : { fits: false, reason: full }
}

/** Which quotas one more archive would exceed; for people. */
export function quotaShortage(limits: Limits, { snapshots, volumes, sizeGib }: Need): string[] {
  const of = (what: string, max: number, used: number, more: number): string[] =>
    max < 0 || used + more <= max ? [] : [`${what}: ${used} of ${max} are used, and ${more} more would be needed`]
  return [
    ...of('snapshots', limits.maxSnapshots, limits.usedSnapshots, snapshots),
    ...of('volumes', limits.maxVolumes, limits.usedVolumes, volumes),
    // snapshots count as large as their volume
    ...of('gigabytes', limits.maxGigabytes, limits.usedGigabytes, (snapshots + volumes) * sizeGib),
    ...of('backups', limits.maxBackups, limits.usedBackups, 1),
    ...of('backup_gigabytes', limits.maxBackupGigabytes, limits.usedBackupGigabytes, sizeGib),
  ]
}

/**
 * Why Cinder's scheduler would find no room for a volume in this pool, or null: by the rules of its CapacityFilter, or
 * the volume would be made and turn to `error`. What a driver does not tell fits.
 */
export function poolShortage(pool: Pool | null, { sizeGib }: Pick<Need, 'sizeGib'>): string | null {
  if (pool?.freeGib == null) return null
  const { name, totalGib, freeGib, provisionedGib, reservedPercentage, thin, overSubscription } = pool
  const free = freeGib - Math.floor(((totalGib ?? 0) * reservedPercentage) / 100)
  if (free <= 0) return `the pool ${name} is full`
  const isThin = thin && overSubscription !== null && overSubscription >= 1
  if (isThin && totalGib !== null && totalGib > 0) {
    const promised = ((provisionedGib ?? 0) + sizeGib) / totalGib
    if (promised > overSubscription) {
      const limit = `max_over_subscription_ratio is ${overSubscription}`
      return `the pool ${name} would promise ${promised.toFixed(2)} times what it has with ${sizeGib} GiB more, and ${limit}`
    }
  }
  const room = isThin ? free * overSubscription : free
  return room >= sizeGib ? null : `the pool ${name} has ${Math.floor(room)} GiB left, and ${sizeGib} GiB are needed`
}

/** Who may not look, or cannot read what some driver tells, archives all the same. */
const untold = ['CK-CLOUD-FORBIDDEN', 'CK-CLOUD-ANSWER-INVALID']

async function poolOf({ cinder, log, name }: Setting, host: string | null): Promise<Pool | null> {
  try {
    return (await cinder.listPools()).find((pool) => pool.name === host) ?? null
  } catch (error) {
    if (!(error instanceof CodedError) || !untold.includes(error.code)) throw error
    log.debug({ target: name, code: error.code, reason: error.message }, 'pools cannot be looked at; only the quota is')
    return null
  }
}
