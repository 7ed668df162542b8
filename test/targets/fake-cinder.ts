/**
 * Cinder's volumes, snapshots and backups in memory, for what only shows at a certain instant: jobs end as a virtual
 * clock advances, which `sleep` drives. It has the traps of Cinder's own drivers (facts: the shared base image).
 */
import { randomUUID } from 'node:crypto'
import { CodedError } from '../../errors/coded-error.js'
import type { Cinder, Limits, Pool, Snapshot } from '../../openstack/cinder.js'
import type { DataRun, OpenBytes, Source, Sources } from '../../source/source.js'
import { fakeBackups } from './fake-backups.js'
import { fakeWorld, must, refuse, type FakeDriver } from './fake-world.js'

const gib = 2 ** 30

/** Cinder's quota of our project; changed by tests. */
const roomy: Limits = {
  ...{ maxVolumes: 10, usedVolumes: 0, maxSnapshots: 10, usedSnapshots: 0, maxGigabytes: 1000, usedGigabytes: 0 },
  ...{ maxBackups: 10, usedBackups: 0, maxBackupGigabytes: 1000, usedBackupGigabytes: 40 },
}

export function fakeCinder(driver: FakeDriver) {
  const world = fakeWorld(driver)
  const limits = { ...roomy }
  const pools: Pool[] = []
  const { volumes, contents, snapshots, trueSizes, messages, services } = world
  const { call, listed, later, stamp, takeFailure, volume, backupRow, contentOf, addVolume } = world

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
          const failure = takeFailure('volume')
          if (failure?.stuck !== true) made.status = failure === undefined ? 'available' : 'error'
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
    updateSnapshot: async (id, change) =>
      call('updateSnapshot', { id, change }, () => void Object.assign(must(snapshots, id, 'CK-SNAPSHOT-GONE'), change)),
    setSnapshotMetadata: async (id, metadata) =>
      call(
        'setSnapshotMetadata',
        { id, metadata },
        () => void Object.assign(must(snapshots, id, 'CK-SNAPSHOT-GONE').metadata, metadata),
      ),
    deleteSnapshot: async (id) =>
      call('deleteSnapshot', id, () => {
        snapshots.delete(id)
        contents.delete(id)
      }),
    ...fakeBackups(world),
    getLimits: async () => call('getLimits', null, () => ({ ...limits })),
    listPools: async () => call('listPools', null, () => [...pools]),
    listServices: async (filter = {}) =>
      call('listServices', null, () =>
        services.filter((one) => filter.binary === undefined || one.binary === filter.binary),
      ),
    listMessages: async (id) => call('listMessages', id, () => messages.filter((one) => one.resource === id)),
    resetStatus: async (kind, id, status) =>
      call('resetStatus', { kind, id, status }, () => {
        if (kind === 'backups') backupRow(id).status = status
        if (kind === 'volumes') volume(id).status = status
      }),
  }

  const sourceIn = (zone: string): Source => ({
    zone,
    kind: 'file',
    watchers: async () => 'unknown',
    open: async (ref) => {
      const id = ref.snapshotId ?? ref.volumeId
      const lost = (): CodedError => new CodedError('CK-CAPTURE-LOST', `${id} is gone`)
      const content = contents.get(id)
      if (content === undefined) throw lost()
      const sizeBytes = trueSizes.get(id) ?? (snapshots.get(id) ?? volume(id)).sizeGib * gib
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
  })
  const near = sourceIn('default')
  const far = sourceIn('far')
  const sources: Sources = {
    zones: [],
    find: (host) => (host?.startsWith('fake@ceph') ? near : host?.startsWith('fake@far') ? far : undefined),
  }

  return { ...world, api, sources, limits, pools }
}

export type FakeCinder = ReturnType<typeof fakeCinder>
