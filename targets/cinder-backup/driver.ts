import { CodedError } from '../../errors/coded-error.js'
import type { Backup } from '../../openstack/cinder.js'
import { asOwnBackup } from './own-backups.js'
import type { Setting } from './setting.js'

export type Driver = 'ceph' | 'chunked'

/** Modules of Cinder's drivers that cut a volume into objects and back up a snapshot without harm. */
const chunkedDrivers = /\.drivers\.(swift|nfs|posix|s3|gcs|google|glusterfs)\b/
/** Hosts of cinder-backup may run different drivers, and the next backup may go to any of them. */
const recordsToRead = 3

/**
 * The backup driver that a new backup will most likely meet. Cinder's API does not show it: the option says it, or the
 * records of this target's newest copies (`export_record`, for admins) when they all agree, else it is taken for Ceph's,
 * whose rules harm no other. It is a guess, so nothing is ever deleted on the strength of it.
 */
export async function learnDriver(setting: Setting): Promise<Driver> {
  if (setting.options.driver !== undefined) return setting.options.driver
  const copies: Backup[] = []
  for await (const backup of setting.cinder.listBackups({ status: 'available' })) {
    if (asOwnBackup(setting, backup) !== null) copies.push(backup)
  }
  const newest = copies.sort((a, b) => b.createdAt.localeCompare(a.createdAt)).slice(0, recordsToRead)
  for (const backup of newest) {
    if ((await driverOf(setting, backup)) !== 'chunked') return 'ceph'
  }
  return newest.length > 0 ? 'chunked' : 'ceph'
}

/** The driver that made this very backup, as Cinder's own record says; only of one that is `available`. */
export async function driverOf(
  setting: Pick<Setting, 'cinder' | 'log' | 'name'>,
  backup: Backup,
): Promise<Driver | 'unknown'> {
  if (backup.status !== 'available') return 'unknown'
  try {
    const { service } = await setting.cinder.exportRecord(backup.id)
    return chunkedDrivers.test(service) ? 'chunked' : 'ceph'
  } catch (error) {
    if (!(error instanceof CodedError)) throw error
    setting.log.debug(
      { target: setting.name, code: error.code, backup: backup.id },
      'the record that would tell the backup driver cannot be read; it is treated as Ceph',
    )
    return 'unknown'
  }
}
