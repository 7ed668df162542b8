import type { Cloud } from './cloud.js'
import type { BackupRecord } from './state.js'

/** Breaks a backup's stored bytes; Cinder goes on calling it `available`. */
export async function breakBackup(
  cloud: Cloud,
  backup: BackupRecord,
  how: 'flip' | 'truncate' | 'gone',
): Promise<void> {
  await cloud.driver.damage(backup, how, descendants(cloud, backup))
}

function descendants(cloud: Cloud, backup: BackupRecord): BackupRecord[] {
  const children = [...cloud.state.backups.values()].filter((other) => other.parentId === backup.id)
  return children.flatMap((child) => [child, ...descendants(cloud, child)])
}
