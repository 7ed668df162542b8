import { CodedError } from '../../errors/coded-error.js'
import type { Backup } from '../../openstack/cinder.js'
import type { Setting } from './setting.js'

const triesToWrite = 5

/**
 * Sets keys of a backup's metadata. Cinder only knows replacing all of it, so what others wrote there is read right
 * before and written back, and what was written is read again until it stands: another writer may have done the same in
 * between. @throws `CK-MARK-NOT-KEPT`
 */
export async function changeMetadata(
  { cinder, sleep }: Setting,
  backupId: string,
  change: Record<string, string>,
  signal: AbortSignal,
): Promise<Backup> {
  for (let written = 0; ; written += 1) {
    const backup = await cinder.getBackup(backupId)
    if (Object.entries(change).every(([key, value]) => backup.metadata[key] === value)) return backup
    if (written === triesToWrite) throw notKept(backupId)
    // not at once: the other writer shall come to an end
    if (written > 0) await sleep(written * 1_000, signal)
    signal.throwIfAborted()
    const { metadata } = written > 0 ? await cinder.getBackup(backupId) : backup
    await cinder.updateBackup(backupId, { metadata: { ...metadata, ...change } })
  }
}

function notKept(backupId: string): CodedError {
  return new CodedError(
    'CK-MARK-NOT-KEPT',
    `backup ${backupId} does not keep what is written into its metadata: somebody else writes there too`,
    { cure: 'See who changes the metadata of our backups. It is tried again by itself.' },
  )
}
