import { CodedError } from '../../errors/coded-error.js'
import type { Backup } from '../../openstack/cinder.js'
import type { Copy } from '../target.js'
import { isOurBackup } from './marks.js'
import { readManifest, type Manifest } from './manifest.js'
import { backupName } from './names.js'
import type { Setting } from './setting.js'

/** A backup of ours with what it says about itself. */
export interface OwnBackup {
  backup: Backup
  manifest: Manifest
}

/** The manifest when the backup is a copy that this target of this installation made; a log line when that is unclear. */
export function asOwnBackup({ installation, name, log }: Setting, backup: Backup): OwnBackup | null {
  if (!isOurBackup(backup, installation)) return null
  const read = readManifest(backup.metadata)
  if ('manifest' in read) return read.manifest.target === name ? { backup, manifest: read.manifest } : null
  log.warn(
    { target: name, backup: backup.id, code: 'CK-MANIFEST-UNREADABLE' },
    `backup ${backup.id} carries our mark, but ${read.unreadable}; it is neither counted as a copy nor touched`,
  )
  return null
}

/** What one archive made on this target, oldest first, whatever became of it. */
export async function ownBackups(
  setting: Setting,
  archive: { archiveId: string; volumeId: string },
): Promise<OwnBackup[]> {
  const found: OwnBackup[] = []
  const nameLike = backupName(archive.volumeId, archive.archiveId, setting.name)
  for await (const backup of setting.cinder.listBackups({ nameLike })) {
    const own = asOwnBackup(setting, backup)
    if (own?.manifest.archiveId === archive.archiveId) found.push(own)
  }
  return found.sort(
    (a, b) => a.backup.createdAt.localeCompare(b.backup.createdAt) || a.backup.id.localeCompare(b.backup.id),
  )
}

export function backupIdOf(copy: Copy): string {
  const id = copy.ref['backupId']
  if (id === undefined || id === '') throw notOurs(`the copy of ${copy.point} on ${copy.target}`)
  return id
}

export function notOurs(what: string): CodedError {
  return new CodedError('CK-COPY-NOT-OURS', `${what} does not carry what a copy of this target carries`, {
    cure: 'Somebody changed its metadata, or another installation made it: see `openstack volume backup show`.',
  })
}
