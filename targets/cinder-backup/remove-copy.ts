import { CodedError } from '../../errors/coded-error.js'
import { orNull } from '../../openstack/or-null.js'
import type { Copy, CopyContext } from '../target.js'
import { asOwnBackup, backupIdOf, notOurs } from './own-backups.js'
import { deleteBackup, whyNotDelete } from './retire-backup.js'
import type { Setting } from './setting.js'

/** Deletes the copy's backup and waits until it is gone; refuses what could take other data with it. */
export async function removeCopy(setting: Setting, copy: Copy, context: CopyContext): Promise<void> {
  const id = backupIdOf(copy)
  const backup = await orNull('CK-BACKUP-GONE', () => setting.cinder.getBackup(id))
  if (backup === null) return
  const own = asOwnBackup(setting, backup)
  if (own?.manifest.archiveId !== copy.archiveId) throw notOurs(`backup ${id}`)
  if (backup.status === 'creating' || backup.status === 'restoring') {
    throw new CodedError('CK-COPY-BUSY', `backup ${id} is ${backup.status} and cannot be removed now`, {
      cure: 'It is tried again by itself.',
    })
  }
  if (backup.hasDependents) {
    throw new CodedError('CK-COPY-HAS-DEPENDENTS', `backup ${id} cannot be removed: incremental backups depend on it`, {
      cure: 'Remove the points that were built upon it first, the newest first.',
    })
  }
  if (backup.status !== 'deleting') {
    const danger = await whyNotDelete(setting, own)
    if (danger !== null) {
      throw new CodedError('CK-COPY-REMOVAL-UNSAFE', `backup ${id} is not removed: ${danger}`, {
        cure: 'Read docs/errors.md before deleting either by hand: look with `rbd ls` in the backup pool which images exist.',
      })
    }
  }
  await deleteBackup(setting, context, id)
}
