import type { Backup } from '../../openstack/cinder.js'
import type { Setting } from './setting.js'

/**
 * Sets or (null) removes keys of a backup's metadata. Cinder only knows replacing all of it, so what others wrote there
 * is read first and written back.
 */
export async function changeMetadata(
  { cinder }: Setting,
  backupId: string,
  change: Record<string, string | null>,
): Promise<Backup> {
  const backup = await cinder.getBackup(backupId)
  const metadata = { ...backup.metadata }
  for (const [key, value] of Object.entries(change)) {
    if (value === null) Reflect.deleteProperty(metadata, key)
    else metadata[key] = value
  }
  if (!sameEntries(metadata, backup.metadata)) await cinder.updateBackup(backupId, { metadata })
  return { ...backup, metadata }
}

function sameEntries(one: Record<string, string>, other: Record<string, string>): boolean {
  const keys = Object.keys(one)
  return keys.length === Object.keys(other).length && keys.every((key) => one[key] === other[key])
}
