import { CodedError } from '../../errors/coded-error.js'
import type { Backup, Message, Volume } from '../../openstack/cinder.js'
import type { CopyContext } from '../target.js'
import { backupServices, servicesDown } from './backup-services.js'
import { findOrCreate } from './find-or-create.js'
import { pollUntil } from './poll-until.js'
import { hasCode, type Setting } from './setting.js'
import { whenFree } from './when-free.js'

/** How a restore ended: with the volume `available`, or with what Cinder says about the failure. */
export type RestoreEnd =
  | { restored: Volume }
  | {
      failed: {
        volume: Volume
        /** The backup driver itself failed on the data: attaching, the service and the request were fine. */
        byDriver: boolean
        /** `unknown` where we may not ask. */
        services: 'up' | 'unknown'
        said: string
      }
    }

const suspiciousMs = 60_000

/**
 * Restores a backup into a volume that is `available` and waits for the end. That Cinder calls the backup `available`
 * again says nothing: only the volume's status does.
 * @param isRestored tells, after a lost answer, that the volume holds the backup already
 * @throws `CK-BACKUP-SERVICE-DOWN`, `CK-BACKUP-GONE`
 */
export async function restoreInto(
  setting: Setting,
  context: CopyContext,
  backup: Backup,
  volumeId: string,
  isRestored: (volume: Volume) => boolean,
): Promise<RestoreEnd> {
  const { cinder } = setting
  const earlier = new Set((await cinder.listMessages(backup.id)).map((message) => message.id))
  const busy = async (): Promise<string | null> => {
    const { status } = await cinder.getBackup(backup.id)
    return status === 'restoring' ? `backup ${backup.id} is being restored by somebody else` : null
  }
  await whenFree(setting, context, busy, () =>
    findOrCreate(
      setting,
      context,
      `a restore of backup ${backup.id}`,
      async () => {
        const volume = await cinder.getVolume(volumeId)
        return volume.status !== 'available' || isRestored(volume) ? true : undefined
      },
      async () => requestRestore(setting, backup, volumeId),
    ),
  )
  const volume = await settled(setting, context, volumeId)
  if (volume.status === 'available') return { restored: volume }
  const said = (await cinder.listMessages(backup.id)).filter((message) => !earlier.has(message.id))
  const { failReason } = await cinder.getBackup(backup.id)
  const words = [
    ...said.map((message) => message.userMessage),
    ...(failReason !== null && failReason !== '' && failReason !== backup.failReason ? [failReason] : []),
  ]
  const services = await backupServices(setting)
  if (services === 'down') throw servicesDown(`backup ${backup.id} cannot be restored`)
  return {
    failed: {
      volume,
      services,
      byDriver: said.some(isDriverFailure),
      said: words.length > 0 ? words.join('; ') : 'Cinder gives no reason',
    },
  }
}

async function requestRestore(setting: Setting, backup: Backup, volumeId: string): Promise<true> {
  try {
    await setting.cinder.restoreBackup(backup.id, volumeId)
    return true
  } catch (error) {
    if (!hasCode(error, 'CK-CLOUD-UNAVAILABLE') || (await backupServices(setting)) !== 'down') throw error
    throw servicesDown(`backup ${backup.id} cannot be restored`, error)
  }
}

async function settled(setting: Setting, context: CopyContext, volumeId: string): Promise<Volume> {
  return pollUntil(setting, context, async (elapsedMs) => {
    const volume = await setting.cinder.getVolume(volumeId)
    if (volume.status === 'available' || volume.status.startsWith('error')) return { done: volume }
    const phase = `restoring ${volume.sizeGib} GiB into ${volume.name === '' ? volume.id : volume.name} (${volume.status})`
    const down = elapsedMs >= suspiciousMs && (await backupServices(setting)) === 'down'
    return { waiting: { phase: down ? `${phase}, but no cinder-backup service is up` : phase } }
  })
}

/** Cinder's message 026; a restart of cinder-backup in the middle leaves none, a failed attachment 021 or 022. */
function isDriverFailure({ eventId, userMessage }: Message): boolean {
  return eventId.endsWith('_026') || userMessage.includes('driver failed to restore')
}

export function restoreFailed(backup: Backup, failed: { volume: Volume; said: string }): CodedError {
  return new CodedError(
    'CK-RESTORE-FAILED',
    `restoring backup ${backup.id} left volume ${failed.volume.id} as ${failed.volume.status}: ${failed.said}`,
    {
      cure: 'The log of cinder-backup says why; also check that the backup driver is still the one that made the backup.',
    },
  )
}
