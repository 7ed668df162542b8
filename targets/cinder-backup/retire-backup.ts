import { CodedError } from '../../errors/coded-error.js'
import type { Backup } from '../../openstack/cinder.js'
import { orNull } from '../../openstack/or-null.js'
import type { CopyContext } from '../target.js'
import { stuckWatch } from './abandoned.js'
import { servicesDown, backupServices } from './backup-services.js'
import { driverOf } from './driver.js'
import type { OwnBackup } from './own-backups.js'
import { pollUntil } from './poll-until.js'
import { hasCode, type Setting } from './setting.js'

const requestsToDelete = 3

/**
 * Why deleting this backup could destroy another, or null when it cannot.
 *
 * Ceph's driver deletes the image of the backup; when that does not exist it falls back to `volume-<id>.backup.base`,
 * which backups of snapshots of that volume share (facts/openstack.md 0: seen). An image exists for certain only while
 * the backup is `available`, and even then only if nobody destroyed it. Only Cinder's own record tells the driver that
 * made a backup, and Cinder shows that of an `available` one alone: one that failed may have met any driver, so it
 * stays while the volume has another that is not proven to lie elsewhere than on Ceph.
 */
export async function whyNotDelete(setting: Setting, { backup }: Pick<OwnBackup, 'backup'>): Promise<string | null> {
  if (backup.hasDependents) return 'incremental backups depend on it'
  if ((await driverOf(setting, backup)) === 'chunked') return null
  for await (const other of setting.cinder.listBackups({ allProjects: true, volumeId: backup.volumeId })) {
    if (other.id === backup.id) continue
    if (backup.status === 'available' && other.snapshotId === null) continue
    if ((await driverOf(setting, other)) === 'chunked') continue
    return `Cinder's Ceph driver could delete the data of backup ${other.id} of the same volume with it`
  }
  return null
}

/** Deletes a backup that whyNotDelete() found no fault with, and waits until it is gone. */
export async function deleteBackup(setting: Setting, context: CopyContext, id: string): Promise<void> {
  const { cinder } = setting
  const isStuck = stuckWatch(setting)
  let requests = 0
  await pollUntil(setting, context, async (elapsedMs) => {
    const backup = await orNull('CK-BACKUP-GONE', () => cinder.getBackup(id))
    if (backup === null) return { done: undefined }
    // what is reset may have lost its image, for which another rule stands: the next attempt looks again
    const reset = backup.status === 'deleting' && (await isStuck({ ...backup, kind: 'backups' }, elapsedMs))
    if (reset) throw await notDeleted(setting, backup)
    if (['deleting', 'creating', 'restoring'].includes(backup.status)) {
      return { waiting: { phase: `backup ${id} is ${backup.status}` } }
    }
    if (requests === requestsToDelete) throw await notDeleted(setting, backup)
    // it was `available` or being deleted when its dangers were looked at, and may have lost its image since then
    const danger = backup.status === 'available' ? null : await whyNotDelete(setting, { backup })
    if (danger !== null) throw await notDeleted(setting, backup, danger)
    requests += 1
    // Cinder deletes what is `available` or `error` only; what it failed to delete must be reset by an admin
    if (backup.status === 'error_deleting') await cinder.resetStatus('backups', id, 'error')
    try {
      await cinder.deleteBackup(id)
    } catch (error) {
      if (hasCode(error, 'CK-CLOUD-UNAVAILABLE') && (await backupServices(setting)) === 'down') {
        throw servicesDown(`backup ${id} cannot be deleted`, error)
      }
      // the next look tells whether it was done
      if (!hasCode(error, 'CK-CLOUD-ANSWER-LOST')) throw error
    }
    return { waiting: { phase: `deleting backup ${id}` } }
  })
}

async function notDeleted(setting: Setting, backup: Backup, danger: string | null = null): Promise<CodedError> {
  if ((await backupServices(setting)) === 'down') return servicesDown(`backup ${backup.id} cannot be deleted`)
  const messages = await setting.cinder.listMessages(backup.id)
  const why = [danger, backup.failReason, ...messages.map((one) => one.userMessage)].filter(
    (one) => one !== null && one !== '',
  )
  return new CodedError(
    'CK-BACKUP-NOT-DELETED',
    `backup ${backup.id} is still ${backup.status} although it was to be deleted${why.length > 0 ? `: ${why.join('; ')}` : ''}`,
    { cure: 'The log of cinder-backup says why. It is tried again by itself.' },
  )
}
