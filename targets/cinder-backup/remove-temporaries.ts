import type { CopyContext } from '../target.js'
import { changeMetadata } from './change-metadata.js'
import { deleteVolume } from './delete-volume.js'
import { ownBackups } from './own-backups.js'
import { deleteBackup, whyNotDelete } from './retire-backup.js'
import { findScratchVolumes } from './scratch-volume.js'
import { orNull, type Setting } from './setting.js'
import { findTemporaryVolumes } from './temporary-volume.js'
import { waitForBackup } from './wait-for-backup.js'

/**
 * Removes what an archive left beside its finished copies, whoever died in the middle: failed backups where that is
 * safe, temporary and scratch volumes. What Cinder is still working on is waited for, since it cannot be stopped.
 */
export async function removeTemporaries(
  setting: Setting,
  archive: { archiveId: string; volumeId: string },
  context: CopyContext,
): Promise<void> {
  const { cinder, log, name } = setting
  const backups = await ownBackups(setting, archive)
  for (const own of backups) {
    const backup = await waitForBackup(setting, context, own.backup.id)
    if (backup?.status !== 'error' && backup?.status !== 'error_deleting') continue
    const danger = await whyNotDelete(setting, { ...own, backup })
    if (danger === null) await deleteBackup(setting, context, backup.id)
    else {
      log.warn(
        { target: name, backup: backup.id, code: 'CK-BACKUP-KEPT' },
        `the failed backup ${backup.id} is left where it is: ${danger}`,
      )
    }
  }
  for (const volume of await findTemporaryVolumes(setting, archive.archiveId)) {
    await deleteVolume(setting, context, volume.id)
  }
  const rows = backups.map(({ backup }) => backup)
  for (const volume of await findScratchVolumes(setting, archive.archiveId, rows)) {
    await deleteVolume(setting, context, volume.id)
  }
  for (const { id } of rows) {
    const left = await orNull('CK-BACKUP-GONE', () => cinder.getBackup(id))
    if (left?.metadata['ck:scratch'] !== undefined) await changeMetadata(setting, id, { 'ck:scratch': null })
  }
}
