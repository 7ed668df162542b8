import { CodedError } from '../../errors/coded-error.js'
import type { Volume } from '../../openstack/cinder.js'
import type { Copy, CopyContext, Destination } from '../target.js'
import { withoutMarks } from './marks.js'
import { temporaryName } from './names.js'
import { asOwnBackup, backupIdOf, notOurs, type OwnBackup } from './own-backups.js'
import { pollUntil } from './poll-until.js'
import { restoreFailed, restoreInto } from './restore-into.js'
import type { Setting } from './setting.js'
import { waitForBackup } from './wait-for-backup.js'

/**
 * Writes the copy over an existing volume. Cinder then writes there the metadata of the volume that was backed up, which
 * for Ceph's driver is our temporary one: it is replaced by that of the archived volume.
 */
export async function restoreCopy(
  setting: Setting,
  copy: Copy,
  destination: Destination,
  context: CopyContext,
): Promise<void> {
  if (destination.kind !== 'volume') {
    throw new CodedError(
      'CK-RESTORE-DESTINATION',
      `Cinder restores backups into volumes, not into a ${destination.kind}`,
      {
        cure: 'Give a volume that is available and at least as large as the copy.',
      },
    )
  }
  const backup = await waitForBackup(setting, context, backupIdOf(copy))
  if (backup === null) {
    throw new CodedError('CK-BACKUP-GONE', `Cinder no longer knows the backup of ${copy.point}`, {
      cure: 'Restore from another copy of this point, or from another point.',
    })
  }
  const own = asOwnBackup(setting, backup)
  if (own === null) throw notOurs(`backup ${backup.id}`)
  const before = await readyDestination(setting, context, destination.volumeId)
  if (before.sizeGib < backup.sizeGib) {
    throw notFit(before, `has ${before.sizeGib} GiB, but the copy needs ${backup.sizeGib}`)
  }
  const end = await restoreInto(setting, context, backup, before.id, () => false)
  if ('failed' in end) throw restoreFailed(backup, end.failed)
  await setting.cinder.updateVolume(before.id, describe(setting, own, before))
}

/** A volume without a name was given that of our temporary one; so it is in a second attempt. */
function describe(
  setting: Setting,
  { manifest }: OwnBackup,
  before: Volume,
): { name: string; description: string; metadata: Record<string, string> } {
  const unnamed = before.name === '' || before.name === temporaryName(manifest.archiveId, setting.name)
  const { name, description, metadata } = manifest.volume
  return {
    name: unnamed ? name : before.name,
    description: (unnamed ? description : before.description) ?? '',
    metadata: withoutMarks(metadata),
  }
}

/** Waits for the end of an earlier attempt; a failed one may be repeated. */
async function readyDestination(setting: Setting, context: CopyContext, id: string): Promise<Volume> {
  const { cinder } = setting
  return pollUntil(setting, context, async () => {
    const volume = await cinder.getVolume(id)
    if (volume.status === 'available') return { done: volume }
    if (volume.status === 'restoring-backup' || volume.status === 'creating') {
      return { waiting: { phase: `${volume.name === '' ? id : volume.name} is ${volume.status}` } }
    }
    throw notFit(volume, `is ${volume.status}`)
  })
}

function notFit({ id }: Volume, why: string): CodedError {
  return new CodedError('CK-RESTORE-DESTINATION', `volume ${id} ${why}`, {
    cure: 'Give a volume that is available (detached, and not in error) and at least as large as the copy.',
  })
}
