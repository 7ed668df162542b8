import { mkdir, readdir, rename, rm, stat, truncate } from 'node:fs/promises'
import { join } from 'node:path'
import type { BackupDriver, Stored } from './backup-driver.js'
import { damageFile } from './damage-file.js'
import { copySparse } from './files.js'
import type { BackupRecord } from './state.js'

/**
 * Cinder's Ceph backup driver (cinder/backup/drivers/ceph.py in Zed), with files for RBD images: `<image>` is an
 * image's head, `<image>@backup.<backup id>` its RBD snapshot for one backup. Its traps are kept: every backup of a
 * snapshot uses `volume-<volume>.backup.base`, and whatever does not find its own image falls back to that name, to
 * delete as well as to restore (facts/openstack.md 0).
 */
export function cephBackupDriver(dir: string): BackupDriver {
  const folder = join(dir, 'backups')
  const at = (name: string): string => join(folder, name)
  const sharedName = (backup: BackupRecord): string => `volume-${backup.volumeId}.backup.base`
  const snapName = (image: string, backup: BackupRecord): string => `${image}@backup.${backup.id}`

  const exists = async (name: string): Promise<boolean> => (await names()).includes(name)
  const names = async (): Promise<string[]> => {
    await mkdir(folder, { recursive: true })
    return readdir(folder)
  }
  /** `_get_backup_base_name`. */
  const baseName = (backup: BackupRecord, parent: BackupRecord | undefined): string => {
    const own = baseOf(backup.serviceMetadata)
    if (own !== undefined) return own
    if (parent !== undefined) return baseOf(parent.serviceMetadata) ?? sharedName(backup)
    return `volume-${backup.volumeId}.backup.${backup.id}`
  }
  /** The backup's image, else the shared one, else nothing: `_rbd_image_exists(try_diff_format=True)`. */
  const locate = async (backup: BackupRecord, parent: BackupRecord | undefined): Promise<string | undefined> => {
    const name = baseName(backup, parent)
    if (await exists(name)) return name
    return (await exists(sharedName(backup))) ? sharedName(backup) : undefined
  }
  /** `_try_delete_base_image`: our RBD snapshot, and the image when no other backup's is left on it. */
  const remove = async (backup: BackupRecord, parent: BackupRecord | undefined): Promise<void> => {
    const image = await locate(backup, parent)
    if (image === undefined) return
    await rm(at(snapName(image, backup)), { force: true })
    if ((await names()).some((name) => name.startsWith(`${image}@`))) return
    await rm(at(image))
  }
  const dataOf = async (backup: BackupRecord): Promise<string | undefined> => {
    const image = await locate(backup, undefined)
    if (image === undefined) return undefined
    return (await exists(snapName(image, backup))) ? snapName(image, backup) : image
  }
  const notFound = (backup: BackupRecord): Error =>
    new Error(`[errno 2] RBD image not found (error opening image b'${sharedName(backup)}' at snapshot None)`)

  /** `_full_backup`: a snapshot's bytes, always whole, always under the shared name. */
  const storeSnapshot = async (backup: BackupRecord, source: string): Promise<Stored> => {
    const image = sharedName(backup)
    if (await exists(image)) throw new Error('[errno 17] RBD image already exists (error creating image)')
    await writeWhole(source, image)
    return { container: backup.container ?? 'backups', serviceMetadata: null, objectCount: 0 }
  }
  /** `_backup_rbd`: a diff into an image of its own, or into the parent's. */
  const storeVolume = async (
    backup: BackupRecord,
    source: string,
    parent: BackupRecord | undefined,
  ): Promise<Stored> => {
    const image = baseName(backup, parent)
    if (parent !== undefined && !(await exists(snapName(image, parent)))) {
      const reason = `Can't find snapshot from parent ${parent.id} and base name image ${image}.`
      // the driver cleans up after itself, and takes whatever lies under the name it falls back to
      await remove(backup, parent)
      throw new Error(reason)
    }
    await writeWhole(source, image)
    await copySparse(at(image), at(snapName(image, backup)))
    return {
      container: backup.container ?? 'backups',
      serviceMetadata: JSON.stringify({ base: image }).replace(':', ': '),
      objectCount: 0,
    }
  }
  /** Under a name that is no image's until it is whole. */
  const writeWhole = async (source: string, image: string): Promise<void> => {
    await copySparse(source, at(`.${image}`))
    await rename(at(`.${image}`), at(image))
  }

  return {
    name: 'cinder.backup.drivers.ceph.CephBackupDriver',
    defaultContainer: 'backups',
    supportsForceDelete: false,
    async backup(backup, source, parent) {
      await mkdir(folder, { recursive: true })
      return backup.snapshotId === null ? storeVolume(backup, source, parent) : storeSnapshot(backup, source)
    },
    async restore(backup, destination) {
      const data = await dataOf(backup)
      if (data === undefined) throw notFound(backup)
      await overwrite(at(data), destination)
    },
    remove,
    async damage(backup, how, children) {
      const data = await dataOf(backup)
      if (data === undefined) throw notFound(backup)
      const shared = await Promise.all(children.map((child) => dataOf(child)))
      await damageFile(
        at(data),
        how,
        shared.filter((name) => name !== undefined && name !== data).map((name) => at(name ?? '')),
      )
      // an image without its RBD snapshot would be restored from its head
      if (how === 'gone' && data.includes('@') && children.length === 0) await rm(at(data.split('@')[0] ?? data))
    },
    exists: async (backup) => (await dataOf(backup)) !== undefined,
  }
}

const baseOf = (serviceMetadata: string | null): string | undefined =>
  serviceMetadata === null ? undefined : (JSON.parse(serviceMetadata) as { base?: string }).base

/** Replaces a volume's bytes; the volume may be larger than the backup, and keeps its size. */
export async function overwrite(source: string, destination: string): Promise<void> {
  const { size } = await stat(destination)
  await copySparse(source, destination)
  await truncate(destination, size)
}
