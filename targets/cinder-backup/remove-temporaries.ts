import type { Backup } from '../../openstack/cinder.js'
import { orNull } from '../../openstack/or-null.js'
import type { CopyContext } from '../target.js'
import { resetRestoring } from './abandoned.js'
import { backupServices } from './backup-services.js'
import { deleteVolume } from './delete-volume.js'
import { isJudged } from './manifest.js'
import { ownBackups } from './own-backups.js'
import { pollUntil } from './poll-until.js'
import { deleteBackup, whyNotDelete } from './retire-backup.js'
import { findScratchVolumes } from './scratch-volume.js'
import { forgetScratch, notedScratch } from './scratch-note.js'
import { hasCode, type Setting } from './setting.js'
import { findTemporaryVolumes } from './temporary-volume.js'
import { waitForUnwanted } from './wait-for-backup.js'

/**
 * Removes what an archive left beside its finished copies, whoever died in the middle: failed backups where that is
 * safe, temporary and scratch volumes. What Cinder is still working on is waited for, since it cannot be stopped; what
 * nothing works on any more is reset first. The volumes go before the failed backups: they are in the snapshot's way.
 */
export async function removeTemporaries(
  setting: Setting,
  archive: { archiveId: string; volumeId: string },
  context: CopyContext,
): Promise<void> {
  const backups = await ownBackups(setting, archive)
  for (const { backup } of backups) await waitForUnwanted(setting, context, backup.id)
  for (const volume of await findTemporaryVolumes(setting, archive.archiveId)) {
    await deleteVolume(setting, context, volume.id, 'backing-up')
  }
  const rows = backups.map(({ backup }) => backup)
  await removeScratches(setting, archive.archiveId, rows, context)
  for (const own of backups) {
    const backup = await orNull('CK-BACKUP-GONE', () => setting.cinder.getBackup(own.backup.id))
    if (backup?.status !== 'error' && backup?.status !== 'error_deleting') continue
    if (isJudged(backup.metadata)) continue
    const danger = await whyNotDelete(setting, { ...own, backup })
    if (danger === null) await deleteOrLeave(setting, backup, context)
    else leave(setting, backup, danger)
  }
}

async function removeScratches(
  setting: Setting,
  archiveId: string,
  rows: Backup[],
  context: CopyContext,
): Promise<void> {
  for (const volume of await findScratchVolumes(setting, archiveId, await readAgain(setting, rows))) {
    const restoring = (await readAgain(setting, rows)).filter(({ status }) => status === 'restoring')
    const idleStatus = restoring.length === 0 ? 'restoring-backup' : undefined
    const { wasReset } = await deleteVolume(setting, context, volume.id, idleStatus)
    if (!wasReset) continue
    for (const backup of await readAgain(setting, restoring)) {
      if (backup.status === 'restoring' && notedScratch(backup) === volume.id) await resetRestoring(setting, backup.id)
    }
  }
  for (const backup of await readAgain(setting, rows)) await forgetScratch(setting, backup.id)
}

async function readAgain({ cinder }: Setting, rows: Backup[]): Promise<Backup[]> {
  const now: Backup[] = []
  for (const { id } of rows) {
    const backup = await orNull('CK-BACKUP-GONE', () => cinder.getBackup(id))
    if (backup !== null) now.push(backup)
  }
  return now
}

/** Without any cinder-backup nothing can be deleted, and the archive's snapshot would be held until there is one. */
async function deleteOrLeave(setting: Setting, backup: Backup, context: CopyContext): Promise<void> {
  try {
    await deleteBackup(setting, context, backup.id)
    return
  } catch (error) {
    if (!hasCode(error, 'CK-BACKUP-SERVICE-DOWN')) throw error
  }
  const isBack = await pollUntil(setting, context, async (elapsedMs) => {
    if ((await backupServices(setting)) !== 'down') return { done: true }
    if (elapsedMs >= setting.patience.stuckMs) return { done: false }
    return { waiting: { phase: `no cinder-backup service is up to delete the failed backup ${backup.id}` } }
  })
  if (isBack) await deleteBackup(setting, context, backup.id)
  else leave(setting, backup, 'no cinder-backup service is up to delete it')
}

function leave({ log, name }: Setting, { id }: Backup, why: string): void {
  log.warn({ target: name, backup: id, code: 'CK-BACKUP-KEPT' }, `the failed backup ${id} is left where it is: ${why}`)
}
