import type { Backup } from '../../openstack/cinder.js'
import { cinderTime } from './cinder-time.js'
import { readMark } from './manifest.js'
import { asOwnBackup, type OwnBackup } from './own-backups.js'
import type { Setting } from './setting.js'

/**
 * The backup that Cinder would build an incremental one upon, or null when a full one is better. The choice is
 * Cinder's: the latest `data_timestamp` of the volume's backups in our project, for a backup of a snapshot the latest
 * before it. So an incremental is asked for only when that is a sound copy of ours; a failed latest one blocks
 * incrementals altogether (bug 1974092, until 22.0.0), and a chain has an end. After a transfer the new owner's chain
 * begins anew: an incremental would hold the new owner's data in what was the old one's.
 * @param before the snapshot's `created_at`, or null for a backup of the volume itself
 */
export async function chooseParent(
  setting: Setting,
  given: { volumeId: string; projectId: string; sizeGib: number; before: string | null; way: 'snapshot' | 'force' },
): Promise<OwnBackup | null> {
  const before = given.before === null ? Infinity : cinderTime(given.before)
  const earlier: { backup: Backup; at: number }[] = []
  for await (const backup of setting.cinder.listBackups({ volumeId: given.volumeId })) {
    if (backup.dataTimestamp === null) return null
    const at = cinderTime(backup.dataTimestamp)
    if (at < before) earlier.push({ backup, at })
  }
  const [latest, second] = earlier.sort((a, b) => b.at - a.at)
  // of two with the same time Cinder takes either
  if (latest?.at === second?.at) return null
  if (latest?.backup.status !== 'available') return null
  const parent = asOwnBackup(setting, latest.backup)
  if (parent === null) return null
  const { state } = readMark(latest.backup.metadata)
  const sound = state === 'verified' || state === 'unverified'
  return sound &&
    parent.manifest.way === given.way &&
    parent.manifest.volume.projectId === given.projectId &&
    parent.manifest.chain < setting.options.chain &&
    latest.backup.sizeGib === given.sizeGib
    ? parent
    : null
}
