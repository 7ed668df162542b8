/** Backups of a Cinder in memory, with the trap of Ceph's driver: the base image that backups of snapshots share. */
import { randomUUID } from 'node:crypto'
import type { Backup, Cinder, Volume } from '../../openstack/cinder.js'
import { codeError, must, refuse, type Content, type FakeWorld, type StoredBackup } from './fake-world.js'

type BackupCalls = Pick<
  Cinder,
  'getBackup' | 'listBackups' | 'createBackup' | 'updateBackup' | 'deleteBackup' | 'restoreBackup' | 'exportRecord'
>

export function fakeBackups(world: FakeWorld): BackupCalls {
  const { running, backups, pool, snapshots, contents, services } = world
  const { call, listed, later, stamp, say, takeFailure, volume, backupRow, contentOf } = world

  function imageOf(backup: StoredBackup): string {
    if (backup.driver === 'chunked') return backup.id
    if (backup.snapshotId !== null) return `volume-${backup.volumeId}.backup.base`
    return `volume-${backup.volumeId}.backup.${backup.id}`
  }

  function finishBackup(id: string, content: Content, release: () => void): void {
    const backup = backups.get(id)
    if (backup === undefined) return
    const failure = takeFailure('backup')
    if (failure?.stuck === true) return
    release()
    const image = imageOf(backup)
    if (failure !== undefined || pool.has(image)) {
      backup.status = 'error'
      backup.failReason = failure?.reason ?? 'rbd.ImageExists'
      say(id, '020', 'Backup driver failed to create backup.')
      return
    }
    pool.set(image, new Map(content))
    backup.image = image
    backup.status = 'available'
    backup.objectCount = 1
  }

  function restore(backup: StoredBackup, target: Volume): void {
    const failure = takeFailure('restore')
    if (failure?.stuck === true) return
    const stored = backup.image === null ? undefined : pool.get(backup.image)
    const chain = chainOf(backup)
    backup.status = 'available'
    if (failure !== undefined || stored === undefined || chain.some((one) => !pool.has(one.image ?? ''))) {
      target.status = 'error_restoring'
      if (failure?.byDriver !== false)
        say(backup.id, '026', `Backup driver failed to restore backup.${failure?.reason ?? ''}`)
      return
    }
    contents.set(target.id, new Map(stored))
    if (Object.keys(backup.volumeMetadata).length > 0) target.metadata = { ...backup.volumeMetadata }
    if (target.name === '') target.name = backup.name
    target.metadata = { ...target.metadata, src_backup_id: backup.id }
    target.status = 'available'
  }

  function chainOf(backup: StoredBackup): StoredBackup[] {
    const parent = backup.parentId === null ? undefined : backups.get(backup.parentId)
    return parent === undefined ? [] : [parent, ...chainOf(parent)]
  }

  function shown(backup: StoredBackup): Backup {
    const row: Record<string, unknown> = { ...backup }
    for (const hidden of ['parentId', 'driver', 'image', 'volumeMetadata']) Reflect.deleteProperty(row, hidden)
    return {
      ...(row as unknown as Backup),
      hasDependents: [...backups.values()].some((one) => one.parentId === backup.id),
    }
  }
  return {
    getBackup: async (id) => call('getBackup', id, () => shown(backupRow(id))),
    listBackups: (filter = {}) =>
      listed('listBackups', filter, () =>
        [...backups.values()]
          .filter((one) => filter.allProjects === true || one.projectId === 'project')
          .filter((one) => filter.nameLike === undefined || one.name.includes(filter.nameLike))
          .filter((one) => filter.volumeId === undefined || one.volumeId === filter.volumeId)
          .filter((one) => filter.status === undefined || one.status === filter.status)
          .map(shown),
      ),
    createBackup: async (request) =>
      call('createBackup', request, () => {
        const source = volume(request.volumeId)
        const snapshot =
          request.snapshotId === undefined ? null : must(snapshots, request.snapshotId, 'CK-SNAPSHOT-GONE')
        if (
          snapshot === null &&
          source.status !== 'available' &&
          !(source.status === 'in-use' && request.force === true)
        ) {
          refuse(`Volume to be backed up must be available or in-use, but the current status is "${source.status}".`)
        }
        if (snapshot !== null && snapshot.status !== 'available') {
          refuse(`Snapshot to be backed up must be available, but the current status is "${snapshot.status}".`)
        }
        const siblings = [...backups.values()]
          .filter((one) => one.volumeId === source.id)
          .filter((one) => snapshot === null || (one.dataTimestamp ?? '') < snapshot.createdAt)
          .sort((a, b) => (b.dataTimestamp ?? '').localeCompare(a.dataTimestamp ?? ''))
        const parent = request.incremental === true ? (siblings[0] ?? refuse('No backups available')) : null
        if (parent !== null && parent.status !== 'available') refuse('The parent backup must be available')
        const id = randomUUID()
        const made: StoredBackup = {
          id,
          name: request.name,
          description: request.description ?? null,
          status: 'creating',
          volumeId: source.id,
          snapshotId: snapshot?.id ?? null,
          sizeGib: source.sizeGib,
          objectCount: 0,
          container: request.container ?? null,
          isIncremental: parent !== null,
          hasDependents: false,
          failReason: null,
          createdAt: stamp(),
          dataTimestamp: snapshot?.createdAt ?? stamp(),
          projectId: 'project',
          metadata: { ...request.metadata },
          parentId: parent?.id ?? null,
          image: null,
          driver: running.driver,
          volumeMetadata: { ...source.metadata },
        }
        backups.set(id, made)
        const content = contentOf(snapshot?.id ?? source.id)
        const before = source.status
        if (snapshot === null) source.status = 'backing-up'
        else snapshot.status = 'backing-up'
        later(() => {
          finishBackup(id, content, () => {
            if (snapshot === null) source.status = before
            else snapshot.status = 'available'
          })
        })
        return shown(made)
      }),
    updateBackup: async (id, change) =>
      call('updateBackup', { id, change }, () => void Object.assign(backupRow(id), structuredClone(change))),
    deleteBackup: async (id) =>
      call('deleteBackup', id, () => {
        const backup = backups.get(id)
        if (backup === undefined) return
        if (!['available', 'error'].includes(backup.status)) refuse('Backup status must be available or error')
        if ([...backups.values()].some((one) => one.parentId === id))
          refuse('Incremental backups exist for this backup.')
        // a 404 (`Service cinder-backup could not be found`), which the client knows is not about the backup
        if (services[0]?.state !== 'up') throw codeError('CK-CLOUD-UNAVAILABLE')
        backup.status = 'deleting'
        later(() => {
          const own = imageOf({ ...backup, snapshotId: null })
          pool.delete(backup.driver === 'ceph' && !pool.has(own) ? `volume-${backup.volumeId}.backup.base` : own)
          backups.delete(id)
        })
      }),
    restoreBackup: async (id, volumeId) =>
      call('restoreBackup', { id, volumeId }, () => {
        const backup = backupRow(id)
        const target = volume(volumeId)
        if (backup.status !== 'available') refuse('Backup status must be available')
        if (target.status !== 'available') refuse('Volume to be restored to must be available')
        if (target.sizeGib < backup.sizeGib) refuse('volume is too small')
        if (services[0]?.state !== 'up') throw codeError('CK-CLOUD-UNAVAILABLE')
        backup.status = 'restoring'
        target.status = 'restoring-backup'
        later(() => {
          restore(backup, target)
        })
      }),
    exportRecord: async (id) =>
      call('exportRecord', id, () => {
        const { status, driver } = backupRow(id)
        if (status !== 'available') refuse('Backup status must be available')
        const module = driver === 'ceph' ? 'ceph.CephBackupDriver' : 'posix.PosixBackupDriver'
        return { service: `cinder.backup.drivers.${module}`, url: '' }
      }),
  }
}
