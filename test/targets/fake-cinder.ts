/**
 * Cinder's volumes, snapshots and backups in memory, for what only shows at a certain instant: jobs end as a virtual
 * clock advances, which `sleep` drives. It has the traps of Cinder's own drivers (facts: the shared base image).
 */
import { randomUUID } from 'node:crypto'
import { CodedError } from '../../errors/coded-error.js'
import type { Backup, Cinder, Message, Service, Snapshot, Volume } from '../../openstack/cinder.js'
import type { DataRun, OpenBytes, Source, Sources } from '../../source/source.js'
import type { Sleep } from '../../targets/cinder-backup/setting.js'

export type Content = Map<number, Uint8Array>
const gib = 2 ** 30
const jobMs = 3_000

interface StoredBackup extends Backup {
  parentId: string | null
  image: string | null
  content: Content
  volumeMetadata: Record<string, string>
}

/** `lost`: the work is done (after `lateMs`), its answer lost. `never`: the answer is lost and nothing is done. */
export type Fault =
  { call: keyof Cinder; what: 'lost' | 'never'; lateMs?: number } | { call: keyof Cinder; error: CodedError }

export function codeError(code: CodedError['code']): CodedError {
  return new CodedError(code, `${code} (injected)`)
}

export function fakeCinder(driver: 'ceph' | 'chunked') {
  const volumes = new Map<string, Volume>()
  const contents = new Map<string, Content>()
  const snapshots = new Map<string, Snapshot>()
  const backups = new Map<string, StoredBackup>()
  /** The backup pool: names of images for Ceph, ids of backups for chunked drivers. */
  const pool = new Map<string, Content>()
  const messages: (Message & { resource: string })[] = []
  const faults: Fault[] = []
  const calls: { call: string; argument: unknown }[] = []
  const jobs: { at: number; run: () => void }[] = []
  const services: Service[] = [
    { binary: 'cinder-backup', host: 'fake', status: 'enabled', state: 'up', availabilityZone: 'nova' },
  ]
  let clock = Date.parse('2026-11-23T02:00:00Z')
  /** The next jobs of these kinds fail with this reason. */
  const failures: { job: 'volume' | 'backup' | 'restore'; reason: string; byDriver?: boolean }[] = []

  const stamp = (): string => new Date(clock).toISOString().replace('Z', '000')
  const later = (run: () => void, ms = jobMs): void => {
    jobs.push({ at: clock + ms, run })
  }
  const advance = (ms: number): void => {
    const until = clock + ms
    for (;;) {
      const next = jobs.filter((job) => job.at <= until).sort((a, b) => a.at - b.at)[0]
      if (next === undefined) break
      jobs.splice(jobs.indexOf(next), 1)
      clock = Math.max(clock, next.at)
      next.run()
    }
    clock = until
  }
  const sleep: Sleep = async (ms, signal) => {
    signal.throwIfAborted()
    await new Promise((go) => setImmediate(go))
    advance(ms)
    signal.throwIfAborted()
  }
  const say = (resource: string, number: string, userMessage: string): void => {
    messages.push({
      resource,
      id: randomUUID(),
      eventId: `VOLUME_VOLUME_BACKUP_015_${number}`,
      userMessage,
      level: 'ERROR',
      createdAt: stamp(),
    })
  }
  const refuse = (why: string): never => {
    throw new CodedError('CK-CLOUD-BAD-REQUEST', why)
  }
  function must<T>(map: Map<string, T>, id: string, code: CodedError['code']): T {
    const found = map.get(id)
    if (found === undefined) throw new CodedError(code, `${id} could not be found`)
    return found
  }
  const volume = (id: string): Volume => must(volumes, id, 'CK-VOLUME-GONE')
  const backupRow = (id: string): StoredBackup => must(backups, id, 'CK-BACKUP-GONE')
  const contentOf = (id: string): Content => contents.get(id) ?? new Map<number, Uint8Array>()

  /** Every call passes here; a fault meets the first call of its name. */
  async function call<T>(name: keyof Cinder, argument: unknown, run: () => T): Promise<T> {
    await new Promise((go) => setImmediate(go))
    calls.push({ call: name, argument: structuredClone(argument) })
    const at = faults.findIndex((fault) => fault.call === name)
    const [fault] = at < 0 ? [] : faults.splice(at, 1)
    if (fault === undefined) return structuredClone(run())
    if ('error' in fault) throw fault.error
    if (fault.what === 'lost' && fault.lateMs !== undefined) later(run, fault.lateMs)
    else if (fault.what === 'lost') run()
    throw codeError('CK-CLOUD-ANSWER-LOST')
  }
  async function* listed<T>(name: keyof Cinder, filter: unknown, rows: () => T[]): AsyncGenerator<T> {
    yield* await call(name, filter, rows)
  }

  function addVolume(given: Partial<Volume> & { sizeGib: number }): Volume {
    const id = given.id ?? randomUUID()
    const made: Volume = {
      id,
      name: '',
      description: null,
      status: 'available',
      projectId: 'project',
      userId: null,
      host: 'fake@ceph#ceph',
      nameId: null,
      migrationStatus: null,
      type: 'ceph',
      availabilityZone: 'nova',
      bootable: false,
      multiattach: false,
      encrypted: false,
      encryptionKeyId: null,
      snapshotId: null,
      sourceVolumeId: null,
      createdAt: stamp(),
      metadata: {},
      imageMetadata: {},
      attachments: [],
      ...given,
    }
    volumes.set(id, made)
    return made
  }

  function imageOf(backup: StoredBackup): string {
    if (driver === 'chunked') return backup.id
    if (backup.snapshotId !== null) return `volume-${backup.volumeId}.backup.base`
    return `volume-${backup.volumeId}.backup.${backup.id}`
  }

  function finishBackup(id: string, content: Content, release: () => void): void {
    const backup = backups.get(id)
    if (backup === undefined) return
    release()
    const at = failures.findIndex((failure) => failure.job === 'backup')
    const [failure] = at < 0 ? [] : failures.splice(at, 1)
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
    const at = failures.findIndex((failure) => failure.job === 'restore')
    const [failure] = at < 0 ? [] : failures.splice(at, 1)
    const stored = backup.image === null ? undefined : pool.get(backup.image)
    const chain = chainOf(backup)
    backup.status = 'available'
    if (failure !== undefined || stored === undefined || chain.some((one) => !pool.has(one.image ?? ''))) {
      target.status = 'error_restoring'
      if (failure?.byDriver !== false) say(backup.id, '026', 'Backup driver failed to restore backup.')
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

  const api: Cinder = {
    getVolume: async (id) => call('getVolume', id, () => volume(id)),
    listVolumes: (filter = {}) =>
      listed('listVolumes', filter, () =>
        [...volumes.values()].filter((one) => filter.name === undefined || one.name === filter.name),
      ),
    createVolume: async (request) =>
      call('createVolume', request, () => {
        const source =
          request.snapshotId === undefined ? undefined : must(snapshots, request.snapshotId, 'CK-SNAPSHOT-GONE')
        const made = addVolume({
          name: request.name,
          description: request.description ?? null,
          sizeGib: request.sizeGib,
          snapshotId: source?.id ?? null,
          status: 'creating',
          metadata: { ...request.metadata },
        })
        contents.set(made.id, new Map(source === undefined ? [] : contentOf(source.id)))
        later(() => {
          const at = failures.findIndex((failure) => failure.job === 'volume')
          made.status = at < 0 ? 'available' : 'error'
          if (at >= 0) failures.splice(at, 1)
        })
        return made
      }),
    updateVolume: async (id, change) =>
      call('updateVolume', { id, change }, () => void Object.assign(volume(id), change)),
    setVolumeMetadata: async (id, metadata) =>
      call('setVolumeMetadata', { id, metadata }, () => void Object.assign(volume(id).metadata, metadata)),
    deleteVolume: async (id) =>
      call('deleteVolume', id, () => {
        const one = volumes.get(id)
        if (one === undefined) return
        if (!['available', 'error', 'error_restoring'].includes(one.status)) refuse(`volume is ${one.status}`)
        one.status = 'deleting'
        later(() => {
          volumes.delete(id)
          contents.delete(id)
        })
      }),
    getSnapshot: async (id) => call('getSnapshot', id, () => must(snapshots, id, 'CK-SNAPSHOT-GONE')),
    listSnapshots: (filter = {}) => listed('listSnapshots', filter, () => [...snapshots.values()]),
    createSnapshot: async (request) =>
      call('createSnapshot', request, () => {
        const id = randomUUID()
        const made: Snapshot = {
          id,
          name: request.name,
          volumeId: request.volumeId,
          status: 'available',
          sizeGib: volume(request.volumeId).sizeGib,
          projectId: 'project',
          createdAt: stamp(),
          metadata: { ...request.metadata },
        }
        snapshots.set(id, made)
        contents.set(id, new Map(contentOf(request.volumeId)))
        return made
      }),
    deleteSnapshot: async (id) =>
      call('deleteSnapshot', id, () => {
        snapshots.delete(id)
        contents.delete(id)
      }),
    getBackup: async (id) => call('getBackup', id, () => shown(backupRow(id))),
    listBackups: (filter = {}) =>
      listed('listBackups', filter, () =>
        [...backups.values()]
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
          content: new Map(),
          volumeMetadata: { ...source.metadata },
        }
        backups.set(id, made)
        const content = contentOf(snapshot?.id ?? source.id)
        const before = source.status
        if (snapshot === null) source.status = 'backing-up'
        later(() => {
          finishBackup(id, content, () => {
            if (snapshot === null) source.status = before
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
        // a 404 (`Service cinder-backup could not be found`), which the client takes for a backup that is gone already
        if (services[0]?.state !== 'up') return
        backup.status = 'deleting'
        later(() => {
          const own = imageOf({ ...backup, snapshotId: null })
          pool.delete(driver === 'ceph' && !pool.has(own) ? `volume-${backup.volumeId}.backup.base` : own)
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
        if (services[0]?.state !== 'up') throw codeError('CK-BACKUP-GONE')
        backup.status = 'restoring'
        target.status = 'restoring-backup'
        later(() => {
          restore(backup, target)
        })
      }),
    exportRecord: async (id) =>
      call('exportRecord', id, () => {
        backupRow(id)
        const module = driver === 'ceph' ? 'ceph.CephBackupDriver' : 'posix.PosixBackupDriver'
        return { service: `cinder.backup.drivers.${module}`, url: '' }
      }),
    getLimits: async () =>
      call('getLimits', null, () => ({
        maxVolumes: 10,
        usedVolumes: 0,
        maxSnapshots: 10,
        usedSnapshots: 0,
        maxGigabytes: 1000,
        usedGigabytes: 0,
        maxBackups: 10,
        usedBackups: 0,
        maxBackupGigabytes: 1000,
        usedBackupGigabytes: 40,
      })),
    listServices: async () => call('listServices', null, () => services),
    listMessages: async (id) => call('listMessages', id, () => messages.filter((one) => one.resource === id)),
    resetStatus: async (kind, id, status) =>
      call('resetStatus', { kind, id, status }, () => {
        if (kind === 'backups') backupRow(id).status = status
        if (kind === 'volumes') volume(id).status = status
      }),
  }

  function shown(backup: StoredBackup): Backup {
    const row: Record<string, unknown> = { ...backup }
    for (const hidden of ['parentId', 'image', 'content', 'volumeMetadata']) Reflect.deleteProperty(row, hidden)
    return {
      ...(row as unknown as Backup),
      hasDependents: [...backups.values()].some((one) => one.parentId === backup.id),
    }
  }

  const source: Source = {
    zone: 'default',
    kind: 'file',
    watchers: async () => 'unknown',
    open: async (ref) => {
      const id = ref.snapshotId ?? ref.volumeId
      const lost = (): CodedError => new CodedError('CK-CAPTURE-LOST', `${id} is gone`)
      const content = contents.get(id)
      if (content === undefined) throw lost()
      const sizeBytes = (snapshots.get(id) ?? volume(id)).sizeGib * gib
      const bytes: OpenBytes = {
        sizeBytes,
        identity: id,
        extents: async () => [...content].map(([offset, data]) => ({ offset, length: data.length })),
        async *read(): AsyncGenerator<DataRun> {
          for (const [offset, data] of [...content].sort(([a], [b]) => a - b)) yield { offset, data }
        },
        confirm: async () => {
          await Promise.resolve()
          if (contents.get(id) !== content) throw lost()
        },
      }
      return bytes
    },
  }
  const sources: Sources = { find: (host) => (host?.startsWith('fake@ceph') === true ? source : undefined) }

  return {
    api,
    sources,
    sleep,
    advance,
    addVolume,
    volumes,
    contents,
    snapshots,
    backups,
    pool,
    faults,
    failures,
    calls,
    services,
    messages,
  }
}

export type FakeCinder = ReturnType<typeof fakeCinder>
