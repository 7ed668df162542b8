import { CodedError } from '../../errors/coded-error.js'
import type { Backup } from '../../openstack/cinder.js'
import { orNull } from '../../openstack/or-null.js'
import type { CopyContext } from '../target.js'
import { stuckWatch } from './abandoned.js'
import { backupServices } from './backup-services.js'
import { pollUntil } from './poll-until.js'
import type { Setting } from './setting.js'

const unsettled = new Set(['creating', 'restoring', 'deleting'])
/** Only then is it worth asking whether anybody works on it. */
const suspiciousMs = 60_000

/** Waits until nothing is being done with the backup; null when it is gone. */
export async function waitForBackup(setting: Setting, context: CopyContext, backupId: string): Promise<Backup | null> {
  return pollUntil(setting, context, async (elapsedMs) => {
    const backup = await orNull('CK-BACKUP-GONE', () => setting.cinder.getBackup(backupId))
    if (backup === null || !unsettled.has(backup.status)) return { done: backup }
    return { waiting: { phase: await describe(setting, backup, elapsedMs) } }
  })
}

/**
 * The same for a backup of an archive that is being cleared away: it is also reset to `error` when nothing works on it
 * any more (abandoned.ts), and not waited for while it is being read.
 */
export async function waitForUnwanted(setting: Setting, context: CopyContext, backupId: string): Promise<void> {
  const isStuck = stuckWatch(setting)
  await pollUntil(setting, context, async (elapsedMs) => {
    const backup = await orNull('CK-BACKUP-GONE', () => setting.cinder.getBackup(backupId))
    if (backup?.status !== 'creating' && backup?.status !== 'deleting') return { done: undefined }
    await isStuck({ ...backup, kind: 'backups' }, elapsedMs)
    return { waiting: { phase: await describe(setting, backup, elapsedMs) } }
  })
}

async function describe(setting: Setting, backup: Backup, elapsedMs: number): Promise<string> {
  const objects = backup.objectCount !== null && backup.objectCount > 0 ? `, ${backup.objectCount} objects` : ''
  const phase = `Cinder's backup ${backup.id} of ${backup.sizeGib} GiB is ${backup.status}${objects}`
  if (elapsedMs < suspiciousMs) return phase
  if ((await backupServices(setting)) === 'down') return `${phase}, but no cinder-backup service is up`
  return phase
}

/** The error for a backup that ended as `error`, with all that Cinder tells about why. */
export async function backupFailed({ cinder }: Setting, backup: Backup): Promise<CodedError> {
  const messages = await cinder.listMessages(backup.id)
  const reasons = [backup.failReason, ...messages.map((message) => message.userMessage)].filter(
    (reason) => reason !== null && reason !== '',
  )
  const why = reasons.length > 0 ? [...new Set(reasons)].join('; ') : 'Cinder gives no reason'
  return new CodedError('CK-BACKUP-FAILED', `backup ${backup.id} (${backup.name}) ended as ${backup.status}: ${why}`, {
    cure: 'The log of cinder-backup says more; mend what it names. It is tried again by itself.',
  })
}
