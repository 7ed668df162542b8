import type { Copy } from '../target.js'
import { volumeBackupsPrefix } from './names.js'
import { asOwnBackup } from './own-backups.js'
import type { Setting } from './setting.js'
import { toCopy } from './to-copy.js'

/** Copies of one volume or of all, as their manifests say. A failed backup is no copy. */
export async function listCopies(setting: Setting, volumeId: string | null): Promise<Copy[]> {
  const copies: Copy[] = []
  const filter = volumeId === null ? {} : { nameLike: volumeBackupsPrefix(volumeId) }
  for await (const backup of setting.cinder.listBackups(filter)) {
    const own = asOwnBackup(setting, backup)
    if (own === null || backup.status === 'error') continue
    // the substring may stand anywhere in a name
    if (volumeId === null || own.manifest.volume.volumeId === volumeId) copies.push(toCopy(setting, own))
  }
  return copies.sort((a, b) => a.capturedAt.localeCompare(b.capturedAt))
}
