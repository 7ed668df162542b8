import { badRequest } from './api-error.js'
import type { Caller, Cloud } from './cloud.js'
import { later } from './cloud.js'
import { leaveMessage } from './messages.js'
import { notifyBackup } from './payloads.js'
import type { BackupRecord } from './state.js'
import { databaseTime } from './state.js'

/** Accepts a backup's deletion and does it later; a driver that never began has nothing to remove. @throws 400 */
export function deleteBackup(cloud: Cloud, caller: Caller, backup: BackupRecord, force: boolean): void {
  if (!force && !['available', 'error'].includes(backup.status)) {
    throw badRequest('Invalid backup: Backup status must be available or error')
  }
  if ([...cloud.state.backups.values()].some((other) => other.parentId === backup.id)) {
    throw badRequest('Invalid backup: Incremental backups exist for this backup.')
  }
  backup.status = 'deleting'
  later(cloud, 'backup.delete', {
    act: async () => {
      notifyBackup(cloud, caller, backup, 'delete.start')
      const parent = backup.parentId === null ? undefined : cloud.state.backups.get(backup.parentId)
      if (backup.service !== null) await cloud.driver.remove(backup, parent)
      cloud.state.backups.delete(backup.id)
      notifyBackup(cloud, caller, { ...backup, status: 'deleted' }, 'delete.end')
    },
    fail: (reason) => {
      backup.status = 'error'
      backup.failReason = reason.slice(0, 255)
      backup.updatedAt = databaseTime()
      leaveMessage(cloud, caller, { type: 'VOLUME_BACKUP', id: backup.id }, 'deleteBackup', 'deleteDriver')
    },
  })
}
