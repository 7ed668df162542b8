import type { Backup, Cinder } from '../../openstack/cinder.js'
import { driverOf, type Driver } from '../../targets/cinder-backup/driver.js'
import type { CinderBackupOptions } from '../../targets/options.js'
import { CannotLook, fault, ok, type Check, type Finding } from './check.js'

/** Cinder lists the newest first; hosts may run different drivers, so more than one is asked for. */
const recordsToRead = 3
const backupsToList = 100

/**
 * Cinder's backup driver. No call tells it, but the record of a finished backup does; what the configuration says of it is
 * believed by every archive, and a wrong word can cost copies.
 */
export const backupDriverCheck: Check = {
  name: 'backup-driver',
  async run({ config, cinder, log }) {
    const targets = Object.entries(config.targets).flatMap(([name, target]) =>
      target.kind === 'cinder-backup' ? [[name, target] as const] : [],
    )
    if (targets.length === 0) throw new CannotLook('there is no target of kind cinder-backup')
    const { cinder: calls } = await cinder.need()
    const seen = new Set<Driver>()
    for (const backup of await newest(calls)) {
      const driver = await driverOf({ cinder: calls, log, name: 'doctor' }, backup)
      if (driver !== 'unknown') seen.add(driver)
    }
    return targets.map(([name, { driver }]) => judgeDriver(name, driver, [...seen]))
  },
}

/**
 * @param written the target's `driver`
 * @param seen what the records of backups show; none: there are no backups, or their records may not be read
 */
export function judgeDriver(target: string, written: CinderBackupOptions['driver'], seen: Driver[]): Finding {
  const shown = seen.join(' and ')
  if (written === undefined) {
    if (seen.length === 0) {
      return ok(
        `${target}: no backup shows Cinder's backup driver yet; it is treated as Ceph's, whose rules harm no other`,
      )
    }
    return ok(`${target}: the records of backups show the driver ${shown}`)
  }
  if (seen.length === 0) return ok(`${target}: driver ${written}, as configured; no backup shows it yet`)
  if (seen.every((driver) => driver === written)) return ok(`${target}: driver ${written}, and backups show the same`)
  const danger =
    written === 'chunked'
      ? "; with Ceph's driver, what is done for a chunked one makes two backups of a volume destroy each other"
      : ''
  return fault(
    'CK-BACKUP-DRIVER',
    `targets.${target}.driver is ${written}, but the records of backups show ${shown}${danger}`,
    `Write what backup_driver of cinder.conf says, or take targets.${target}.driver out: it is then found out.`,
  )
}

async function newest(cinder: Cinder): Promise<Backup[]> {
  const found: Backup[] = []
  for await (const backup of cinder.listBackups({ status: 'available' })) {
    found.push(backup)
    if (found.length >= backupsToList) break
  }
  return found.sort((a, b) => b.createdAt.localeCompare(a.createdAt)).slice(0, recordsToRead)
}
