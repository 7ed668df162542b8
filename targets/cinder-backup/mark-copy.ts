import type { Copy, CopyContext } from '../target.js'
import { changeMetadata } from './change-metadata.js'
import { markToMetadata, type Mark } from './manifest.js'
import { asOwnBackup, backupIdOf, notOurs } from './own-backups.js'
import type { Setting } from './setting.js'
import { toCopy } from './to-copy.js'

/** Writes the mark on the backup. @throws `CK-BACKUP-GONE`, `CK-COPY-NOT-OURS`, `CK-MARK-NOT-KEPT` */
export async function markCopy(setting: Setting, copy: Copy, mark: Mark, context: CopyContext): Promise<Copy> {
  const id = backupIdOf(copy)
  const own = asOwnBackup(setting, await setting.cinder.getBackup(id))
  if (own === null) throw notOurs(`backup ${id}`)
  const backup = await changeMetadata(setting, id, markToMetadata(mark), context.signal)
  // of a long reason the target keeps the beginning, the caller all of it
  return { ...toCopy(setting, { ...own, backup }), ...mark }
}
