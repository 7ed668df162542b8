/**
 * On the backup: which volume it is being restored into, for a restore takes our marks off that volume. It stands at the
 * end of the description, not in the metadata: Cinder only knows replacing all metadata, so that an attempt which
 * wakes up late would put an old verdict back with it.
 */
import type { Backup } from '../../openstack/cinder.js'
import type { Setting } from './setting.js'

const note = / \[ck:scratch ([0-9a-f-]{36})\]$/
const longestDescription = 255
const noteLength = ' [ck:scratch ]'.length + 36

/** The id of the volume that the backup was last restored into by us, while that is noted. */
export function notedScratch({ description }: Backup): string | null {
  return note.exec(description ?? '')?.[1] ?? null
}

export async function noteScratch({ cinder }: Setting, backupId: string, volumeId: string): Promise<void> {
  const { description } = await cinder.getBackup(backupId)
  const bare = (description ?? '').replace(note, '').slice(0, longestDescription - noteLength)
  await cinder.updateBackup(backupId, { description: `${bare} [ck:scratch ${volumeId}]` })
}

export async function forgetScratch({ cinder }: Setting, backupId: string): Promise<void> {
  const backup = await cinder.getBackup(backupId)
  if (notedScratch(backup) === null) return
  await cinder.updateBackup(backupId, { description: (backup.description ?? '').replace(note, '') })
}
