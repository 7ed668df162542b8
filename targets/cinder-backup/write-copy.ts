import type { Backup } from '../../openstack/cinder.js'
import type { Capture, Copy, CopyContext, WriteOptions } from '../target.js'
import { createBackup, type BackupPlan } from './create-backup.js'
import { deleteVolume } from './delete-volume.js'
import { learnDriver } from './driver.js'
import { isJudged } from './manifest.js'
import { backupName, freeBackupName } from './names.js'
import { asOwnBackup, ownBackups, type OwnBackup } from './own-backups.js'
import { deleteBackup, whyNotDelete } from './retire-backup.js'
import type { Setting } from './setting.js'
import { findTemporaryVolumes } from './temporary-volume.js'
import { toCopy } from './to-copy.js'
import { backupFailed, waitForBackup } from './wait-for-backup.js'

/** Makes the backup, or adopts what an earlier attempt made, and removes what it needed on the way. */
export async function writeCopy(
  setting: Setting,
  capture: Capture,
  context: CopyContext,
  { force }: WriteOptions,
): Promise<Copy> {
  const driver = await learnDriver(setting)
  const way = force ? 'force' : driver === 'ceph' ? 'temporary' : 'snapshot'
  const written = await finishedBackup(setting, capture, context, { driver, way })
  await retireExtras(setting, capture, context, written)
  for (const volume of await findTemporaryVolumes(setting, capture.archiveId)) {
    await deleteVolume(setting, context, volume.id)
  }
  return toCopy(setting, written)
}

/**
 * The oldest usable backup of this very capture. A failed incremental is followed by a full backup in the same attempt,
 * for what made it fail (the hash block size, say) would make the next one fail as well.
 */
async function finishedBackup(
  setting: Setting,
  capture: Capture,
  context: CopyContext,
  how: Pick<BackupPlan, 'driver' | 'way'>,
): Promise<OwnBackup> {
  let full = false
  for (;;) {
    const known = await backupsOf(setting, capture, how.way)
    const found = known.find(isFinished) ?? known.find(isCreating)
    if (found === undefined) full ||= known.some(({ backup, manifest }) => isFailed(backup) && manifest.base !== null)
    const backup =
      found?.backup ??
      (await createBackup(setting, context, {
        ...how,
        capture,
        full,
        ...(await placeFor(setting, capture, context, how.way, known)),
      }))
    const settled = await waitForBackup(setting, context, backup.id)
    if (settled === null) continue
    const own = asOwnBackup(setting, settled)
    if (own !== null && isFinished(own)) return own
    const wasIncremental = own !== null && own.manifest.base !== null
    if (!wasIncremental || full) throw await backupFailed(setting, settled)
    full = true
  }
}

/** Clears failed attempts away where that is safe, and says under which name the next one goes and is found again. */
async function placeFor(
  setting: Setting,
  capture: Capture,
  context: CopyContext,
  way: BackupPlan['way'],
  known: OwnBackup[],
): Promise<Pick<BackupPlan, 'name' | 'find'>> {
  for (const failed of known.filter(({ backup }) => isFailed(backup))) await retire(setting, context, failed)
  const { archiveId, volume } = capture
  const left = await ownBackups(setting, { archiveId, volumeId: volume.volumeId })
  const seen = new Set(left.map(({ backup }) => backup.id))
  return {
    name: freeBackupName(
      backupName(volume.volumeId, archiveId, setting.name),
      new Set(left.map(({ backup }) => backup.name)),
    ),
    find: async () => (await backupsOf(setting, capture, way)).find(({ backup }) => !seen.has(backup.id))?.backup,
  }
}

/** A request whose answer was lost may have been carried out twice: the oldest stays. */
async function retireExtras(setting: Setting, capture: Capture, context: CopyContext, kept: OwnBackup): Promise<void> {
  for (const other of await backupsOf(setting, capture, kept.manifest.way)) {
    if (other.backup.id === kept.backup.id) continue
    const settled = await waitForBackup(setting, context, other.backup.id)
    if (settled !== null) await retire(setting, context, { ...other, backup: settled })
  }
}

async function retire(setting: Setting, context: CopyContext, own: OwnBackup): Promise<void> {
  const danger = isJudged(own.backup.metadata)
    ? 'it was read back once, so it is a copy'
    : await whyNotDelete(setting, own)
  if (danger === null) {
    await deleteBackup(setting, context, own.backup.id)
    return
  }
  setting.log.warn(
    { target: setting.name, backup: own.backup.id, code: 'CK-BACKUP-KEPT' },
    `the ${own.backup.status} backup ${own.backup.id} is left where it is: ${danger}`,
  )
}

/** Backups of this very capture: after a reset of the archive an older one has the same archive, but other content. */
async function backupsOf(setting: Setting, capture: Capture, way: BackupPlan['way']): Promise<OwnBackup[]> {
  const all = await ownBackups(setting, { archiveId: capture.archiveId, volumeId: capture.volume.volumeId })
  return all.filter(
    ({ manifest }) => manifest.snapshotId === capture.snapshotId && (manifest.way === 'force') === (way === 'force'),
  )
}

function isFinished({ backup }: OwnBackup): boolean {
  return backup.status === 'available' || backup.status === 'restoring'
}

function isCreating({ backup }: OwnBackup): boolean {
  return backup.status === 'creating'
}

function isFailed(backup: Backup): boolean {
  return backup.status === 'error' || backup.status === 'error_deleting'
}
