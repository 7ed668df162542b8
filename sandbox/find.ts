import { forbidden, notFound } from './api-error.js'
import type { Cloud } from './cloud.js'
import type { ApiRequest } from './http.js'
import type { BackupRecord, SnapshotRecord, VolumeRecord } from './state.js'

/** The object that a request names, if its caller may see it: those of other projects are only an admin's. @throws 404 */
export function findVolume(cloud: Cloud, request: ApiRequest, id = request.params['id'] ?? ''): VolumeRecord {
  return visible(request, cloud.state.volumes.get(id), 'Volume', id)
}

/** As `findVolume`. */
export function findSnapshot(cloud: Cloud, request: ApiRequest, id = request.params['id'] ?? ''): SnapshotRecord {
  return visible(request, cloud.state.snapshots.get(id), 'Snapshot', id)
}

/** As `findVolume`. */
export function findBackup(cloud: Cloud, request: ApiRequest, id = request.params['id'] ?? ''): BackupRecord {
  return visible(request, cloud.state.backups.get(id), 'Backup', id)
}

function visible<T extends { projectId: string }>(
  request: ApiRequest,
  item: T | undefined,
  kind: string,
  id: string,
): T {
  if (item === undefined || (item.projectId !== request.caller.projectId && !request.caller.isAdmin)) {
    throw notFound(kind, id)
  }
  return item
}

/** @throws 403 unless the caller has the role `admin` */
export function requireAdmin(request: ApiRequest, action: string): void {
  if (!request.caller.isAdmin) throw forbidden(action)
}
