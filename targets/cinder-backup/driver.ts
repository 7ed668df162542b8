import { CodedError } from '../../errors/coded-error.js'
import type { Backup } from '../../openstack/cinder.js'
import { asOwnBackup } from './own-backups.js'
import type { Setting } from './setting.js'

export type Driver = 'ceph' | 'chunked'

/** Modules of Cinder's drivers that cut a volume into objects and back up a snapshot without harm. */
const chunkedDrivers = /\.drivers\.(swift|nfs|posix|s3|gcs|google|glusterfs)\b/
const cephDriver = /\.drivers\.ceph\b/
/** Hosts of cinder-backup may run different drivers, and the next backup may go to any of them. */
const recordsToRead = 3

/**
 * The backup driver that a new backup will most likely meet. Cinder's API does not show it: the option says it, or the
 * records of this target's newest copies (`export_record`, for admins) when they all agree, else it is taken for Ceph's,
 * whose rules harm no other. It is a guess, so nothing is ever deleted on the strength of it.
 *
 * Where a record proves Ceph, `driver: chunked` is not believed: the second backup of a snapshot would fail in every
 * archive.
 */
export async function learnDriver(setting: Setting): Promise<Driver> {
  const configured = setting.options.driver
  if (configured === 'ceph') return 'ceph'
  const newest = await newestCopies(setting)
  for (const backup of newest) {
    const module = await moduleOf(setting, backup)
    if (configured === undefined) {
      if (module === null || !chunkedDrivers.test(module)) return 'ceph'
    } else if (module !== null && cephDriver.test(module)) {
      setting.log.warn(
        { target: setting.name, backup: backup.id, code: 'CK-BACKUP-DRIVER' },
        `target ${setting.name} says driver: chunked, but ${module} made backup ${backup.id}; it is treated as Ceph`,
      )
      return 'ceph'
    }
  }
  return configured ?? (newest.length > 0 ? 'chunked' : 'ceph')
}

async function newestCopies(setting: Setting): Promise<Backup[]> {
  const copies: Backup[] = []
  for await (const backup of setting.cinder.listBackups({ status: 'available' })) {
    if (asOwnBackup(setting, backup) !== null) copies.push(backup)
  }
  return copies.sort((a, b) => b.createdAt.localeCompare(a.createdAt)).slice(0, recordsToRead)
}

/** The driver that made this very backup, as Cinder's own record says; only of one that is `available`. */
export async function driverOf(
  setting: Pick<Setting, 'cinder' | 'log' | 'name'>,
  backup: Backup,
): Promise<Driver | 'unknown'> {
  const module = await moduleOf(setting, backup)
  if (module === null) return 'unknown'
  return chunkedDrivers.test(module) ? 'chunked' : 'ceph'
}

/** The Python name of the driver in Cinder's record of the backup; null where that cannot be read. */
async function moduleOf(setting: Pick<Setting, 'cinder' | 'log' | 'name'>, backup: Backup): Promise<string | null> {
  if (backup.status !== 'available') return null
  try {
    const { service } = await setting.cinder.exportRecord(backup.id)
    return service
  } catch (error) {
    if (!(error instanceof CodedError)) throw error
    setting.log.debug(
      { target: setting.name, code: error.code, backup: backup.id },
      'the record that would tell the backup driver cannot be read',
    )
    return null
  }
}
