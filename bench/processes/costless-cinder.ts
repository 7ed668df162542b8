import { randomUUID } from 'node:crypto'
import { CodedError } from '../../errors/coded-error.js'
import type { Cinder, Snapshot, Volume } from '../../openstack/cinder.js'

/** A Cinder in this process that knows every volume and takes a snapshot in no time. */
export function costlessCinder(): Cinder {
  const snapshots = new Map<string, Snapshot>()
  const used: Pick<Cinder, 'getVolume' | 'listSnapshots' | 'createSnapshot' | 'getSnapshot' | 'deleteSnapshot'> = {
    getVolume: async (id) => volumeOf(id),
    async *listSnapshots(filter) {
      yield* [...snapshots.values()].filter(({ name }) => name === filter?.name)
    },
    async createSnapshot({ volumeId, name, metadata = {} }) {
      const { sizeGib, projectId } = volumeOf(volumeId)
      const createdAt = new Date().toISOString()
      const id = randomUUID()
      const made = { id, name, volumeId, status: 'available', sizeGib, projectId, createdAt, metadata }
      snapshots.set(id, made)
      return made
    },
    async getSnapshot(id) {
      const found = snapshots.get(id)
      if (found === undefined) throw new CodedError('CK-SNAPSHOT-GONE', `there is no snapshot ${id}`)
      return found
    },
    async deleteSnapshot(id) {
      snapshots.delete(id)
    },
  }
  // the acts of an archive ask for nothing else
  return used as Cinder
}

function volumeOf(id: string): Volume {
  return {
    ...{ id, name: `bench-${id.slice(0, 8)}`, description: null, status: 'available', sizeGib: 1 },
    ...{ projectId: 'bench', userId: null, host: 'bench@none#none', nameId: null, migrationStatus: null, type: null },
    ...{ availabilityZone: null, bootable: false, multiattach: false, encrypted: false, encryptionKeyId: null },
    ...{ snapshotId: null, sourceVolumeId: null, createdAt: '2026-01-01T00:00:00Z', updatedAt: null },
    ...{ metadata: {}, imageMetadata: {}, attachments: [] },
  }
}
