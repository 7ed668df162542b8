import { CodedError } from '../../errors/coded-error.js'
import type { Backup } from '../../openstack/cinder.js'
import type { Setting } from './setting.js'

export type Driver = 'ceph' | 'chunked'

/** Modules of Cinder's drivers that cut a volume into objects and back up a snapshot without harm. */
const chunkedDrivers = /\.drivers\.(swift|nfs|posix|s3|gcs|google|glusterfs)\b/

/**
 * The backup driver in use. Cinder's API does not show it: the option says it, or the record of the newest backup in
 * our project (`export_record`, for admins), else it is taken for Ceph's, whose rules harm no other.
 */
export async function learnDriver(setting: Setting): Promise<Driver> {
  const { options, cinder, log } = setting
  if (options.driver !== undefined) return options.driver
  const newest = await newestBackup(setting)
  if (newest === null) return 'ceph'
  try {
    const { service } = await cinder.exportRecord(newest.id)
    return chunkedDrivers.test(service) ? 'chunked' : 'ceph'
  } catch (error) {
    if (!(error instanceof CodedError)) throw error
    log.debug(
      { target: setting.name, code: error.code, backup: newest.id },
      'the backup driver cannot be learned from this record; it is treated as Ceph',
    )
    return 'ceph'
  }
}

async function newestBackup({ cinder }: Setting): Promise<Backup | null> {
  let newest: Backup | null = null
  for await (const backup of cinder.listBackups({ status: 'available' })) {
    if (newest === null || backup.createdAt > newest.createdAt) newest = backup
  }
  return newest
}
