import { z } from 'zod'
import { overLimit } from './api-error.js'
import { parseBody } from './bodies.js'
import type { Cloud } from './cloud.js'
import { requireAdmin } from './find.js'
import type { Handler, Route } from './http.js'
import { isTrue } from './listing.js'
import type { Quota } from './state.js'
import { defaultQuota } from './state.js'

export const quotaOf = (cloud: Cloud, projectId: string): Quota =>
  cloud.state.quotas.get(projectId) ?? { ...defaultQuota }

/** What a project uses; snapshots count in `gigabytes` too. */
export function usageOf(cloud: Cloud, projectId: string): Omit<Quota, 'per_volume_gigabytes' | 'groups'> {
  const own = <T extends { projectId: string }>(items: Iterable<T>): T[] =>
    [...items].filter((item) => item.projectId === projectId)
  const sum = (items: { size: number }[]): number => items.reduce((total, item) => total + item.size, 0)
  const volumes = own(cloud.state.volumes.values()).filter((volume) => volume.usesQuota)
  const snapshots = own(cloud.state.snapshots.values())
  const backups = own(cloud.state.backups.values())
  return {
    volumes: volumes.length,
    snapshots: snapshots.length,
    gigabytes: sum(volumes) + sum(snapshots),
    backups: backups.length,
    backup_gigabytes: sum(backups),
  }
}

/** Reserves for one more object of `gib`, charged to the caller's project. @throws 413 with `Retry-After: 0` */
export function reserve(
  cloud: Cloud,
  projectId: string,
  kind: 'volumes' | 'snapshots' | 'backups' | 'extend',
  gib: number,
): void {
  const quota = quotaOf(cloud, projectId)
  const used = usageOf(cloud, projectId)
  const sizeName = kind === 'backups' ? 'backup_gigabytes' : 'gigabytes'
  const over = (name: keyof typeof used, more: number): boolean => quota[name] >= 0 && used[name] + more > quota[name]
  if (kind === 'volumes' && quota.per_volume_gigabytes >= 0 && gib > quota.per_volume_gigabytes) {
    throw overLimit(
      'VolumeSizeExceedsLimit',
      `Requested volume size ${gib}G is larger than maximum allowed limit ${quota.per_volume_gigabytes}G.`,
    )
  }
  if (over(sizeName, gib)) {
    const numbers = `Requested ${gib}G, quota is ${quota[sizeName]}G and ${used[sizeName]}G has been consumed.`
    throw kind === 'backups'
      ? overLimit(
          'VolumeBackupSizeExceedsAvailableQuota',
          `Requested backup exceeds allowed Backup gigabytes quota. ${numbers}`,
        )
      : overLimit(
          'VolumeSizeExceedsAvailableQuota',
          `Requested volume or snapshot exceeds allowed gigabytes quota. ${numbers}`,
        )
  }
  if (kind === 'extend' || !over(kind, 1)) return
  const [exception, message] = {
    volumes: [
      'VolumeLimitExceeded',
      `Maximum number of volumes allowed (${quota.volumes}) exceeded for quota 'volumes'.`,
    ] as const,
    snapshots: ['SnapshotLimitExceeded', `Maximum number of snapshots allowed (${quota.snapshots}) exceeded`] as const,
    backups: ['BackupLimitExceeded', `Maximum number of backups allowed (${quota.backups}) exceeded`] as const,
  }[kind]
  throw overLimit(exception, message)
}

const quotaBody = z.object({ quota_set: z.record(z.string(), z.union([z.number().int().min(-1), z.string()])) })

/** `GET /limits` and `os-quota-sets`. */
export function quotaRoutes(cloud: Cloud): readonly Route[] {
  const limits: Handler = (request) => {
    const asked = request.query.get('project_id') ?? request.query.get('tenant_id')
    const projectId = request.caller.isAdmin && request.minor >= 39 && asked !== null ? asked : request.caller.projectId
    const quota = quotaOf(cloud, projectId)
    const used = usageOf(cloud, projectId)
    return {
      status: 200,
      body: {
        limits: {
          rate: [],
          absolute: {
            maxTotalVolumes: quota.volumes,
            maxTotalSnapshots: quota.snapshots,
            maxTotalVolumeGigabytes: quota.gigabytes,
            maxTotalBackups: quota.backups,
            maxTotalBackupGigabytes: quota.backup_gigabytes,
            totalVolumesUsed: used.volumes,
            totalGigabytesUsed: used.gigabytes,
            totalSnapshotsUsed: used.snapshots,
            totalBackupsUsed: used.backups,
            totalBackupGigabytesUsed: used.backup_gigabytes,
          },
        },
      },
    }
  }
  const show: Handler = (request) => {
    const projectId = request.params['project'] ?? ''
    if (projectId !== request.caller.projectId) requireAdmin(request, 'volume_extension:quotas:show')
    const quota = quotaOf(cloud, projectId)
    if (!isTrue(request.query.get('usage'))) return { status: 200, body: { quota_set: { id: projectId, ...quota } } }
    const used: Partial<Quota> = usageOf(cloud, projectId)
    const detailed = Object.entries(quota).map(([name, limit]) => [
      name,
      { limit: limit as number, in_use: used[name as keyof Quota] ?? 0, reserved: 0 },
    ])
    return {
      status: 200,
      body: { quota_set: { id: projectId, ...(Object.fromEntries(detailed) as Record<string, unknown>) } },
    }
  }
  const update: Handler = (request) => {
    requireAdmin(request, 'volume_extension:quotas:update')
    const projectId = request.params['project'] ?? ''
    const asked = parseBody(quotaBody, request.body).quota_set
    const quota = { ...quotaOf(cloud, projectId) }
    for (const name of Object.keys(quota) as (keyof Quota)[]) {
      const value = asked[name]
      if (value !== undefined) quota[name] = Number(value)
    }
    cloud.state.quotas.set(projectId, quota)
    return { status: 200, body: { quota_set: quota } }
  }
  return [
    ['GET', '/limits', limits],
    ['GET', '/os-quota-sets/:project', show],
    ['PUT', '/os-quota-sets/:project', update],
    [
      'GET',
      '/os-quota-sets/:project/defaults',
      (request) => ({ status: 200, body: { quota_set: { id: request.params['project'], ...defaultQuota } } }),
    ],
  ]
}
