import { access, mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { overwrite } from './backup-driver-ceph.js'
import type { BackupDriver } from './backup-driver.js'
import { damageFile } from './damage-file.js'
import { copySparse } from './files.js'
import type { BackupRecord } from './state.js'

/** `backup_file_size` of the POSIX driver: a chunk object each. */
const chunkBytes = 1_999_994_880

/**
 * A chunked driver (cinder/backup/chunkeddriver.py with the POSIX store): backups of snapshots and of volumes, whole
 * or incremental to the latest one. Each is kept here as one file, with a link to its parent, without which it cannot
 * be restored.
 */
export function chunkedBackupDriver(dir: string): BackupDriver {
  const folder = join(dir, 'backups')
  const pathOf = (backup: { id: string }): string => join(folder, backup.id)
  const parents = new Map<string, string>()

  const check = async (id: string): Promise<void> => {
    try {
      await access(pathOf({ id }))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
      throw new Error(`[Errno 2] No such file or directory: 'volume_backup_${id}_metadata'`, { cause: error })
    }
    const parent = parents.get(id)
    if (parent !== undefined) await check(parent)
  }

  return {
    name: 'cinder.backup.drivers.posix.PosixBackupDriver',
    defaultContainer: null,
    supportsForceDelete: true,
    async backup(backup, source, parent) {
      await mkdir(folder, { recursive: true })
      if (parent !== undefined) {
        await check(parent.id)
        if (backup.size > parent.size) {
          throw new Error('Invalid backup: Volume size increased since the last backup. Do a full backup.')
        }
        parents.set(backup.id, parent.id)
      }
      await copySparse(source, pathOf(backup))
      const { id } = backup
      return {
        container: backup.container ?? `${id.slice(0, 2)}/${id.slice(2, 4)}/${id}`,
        serviceMetadata: `volume_${backup.volumeId}/${backup.createdAt.replace(/\D/g, '').slice(0, 14)}/az_nova_backup_${id}`,
        objectCount: Math.ceil((backup.size * 2 ** 30) / chunkBytes),
      }
    },
    async restore(backup, destination) {
      await check(backup.id)
      await overwrite(pathOf(backup), destination)
    },
    async remove(backup: BackupRecord) {
      await rm(pathOf(backup), { force: true })
      parents.delete(backup.id)
    },
    damage: (backup, how, children) => damageFile(pathOf(backup), how, children.map(pathOf)),
    exists: async (backup) =>
      check(backup.id).then(
        () => true,
        () => false,
      ),
  }
}
