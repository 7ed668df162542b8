import { z } from 'zod'
import { type CinderCalls, unlessGone } from './cinder-call.js'
import type { Cinder, Snapshot } from './cinder.js'
import { gib, id, instant, labels, maybe, text } from './fields.js'
import { pages } from './pages.js'

/** @param ownProject whose it is where the answer does not say: a snapshot's creation names no project */
function snapshotSchema(ownProject: string | null) {
  return z
    .object({
      id,
      name: text,
      volume_id: id,
      status: z.string().min(1),
      size: gib,
      'os-extended-snapshot-attributes:project_id': maybe,
      created_at: instant,
      metadata: labels,
    })
    .transform((raw): Snapshot => ({
      id: raw.id,
      name: raw.name,
      volumeId: raw.volume_id,
      status: raw.status,
      sizeGib: raw.size,
      projectId: raw['os-extended-snapshot-attributes:project_id'] ?? ownProject,
      createdAt: raw.created_at,
      metadata: raw.metadata,
    }))
}

const oneSnapshot = z.object({ snapshot: snapshotSchema(null) })

type SnapshotCalls = Pick<
  Cinder,
  'getSnapshot' | 'listSnapshots' | 'createSnapshot' | 'updateSnapshot' | 'setSnapshotMetadata' | 'deleteSnapshot'
>

export function snapshotCalls(calls: CinderCalls): SnapshotCalls {
  return {
    async getSnapshot(snapshotId) {
      const request = { method: 'GET', path: `/snapshots/${snapshotId}`, about: [['snapshot', snapshotId]] } as const
      return (await calls.read(oneSnapshot, request)).snapshot
    },

    async *listSnapshots(filter = {}) {
      const { name, volumeId } = filter
      const all = pages(calls, {
        name: 'snapshots',
        path: '/snapshots/detail',
        query: { all_tenants: filter.allProjects === true ? 1 : undefined, name, volume_id: volumeId },
        item: snapshotSchema(null),
      })
      for await (const snapshot of all) {
        // see listVolumes
        if (name !== undefined && snapshot.name !== name) continue
        if (volumeId !== undefined && snapshot.volumeId !== volumeId) continue
        yield snapshot
      }
    },

    async createSnapshot(wanted) {
      const created = z.object({ snapshot: snapshotSchema(await calls.session.projectId()) })
      const request = {
        method: 'POST',
        path: '/snapshots',
        json: {
          snapshot: {
            volume_id: wanted.volumeId,
            name: wanted.name,
            force: wanted.force,
            description: wanted.description,
            metadata: wanted.metadata,
          },
        },
        about: [['volume', wanted.volumeId]],
      } as const
      return (await calls.read(created, request)).snapshot
    },

    async updateSnapshot(snapshotId, change) {
      await calls.act({
        method: 'PUT',
        path: `/snapshots/${snapshotId}`,
        json: { snapshot: change },
        about: [['snapshot', snapshotId]],
      })
    },

    async setSnapshotMetadata(snapshotId, metadata) {
      await calls.act({
        method: 'POST',
        path: `/snapshots/${snapshotId}/metadata`,
        json: { metadata },
        about: [['snapshot', snapshotId]],
      })
    },

    async deleteSnapshot(snapshotId) {
      const path = `/snapshots/${snapshotId}`
      await unlessGone(calls.act({ method: 'DELETE', path, about: [['snapshot', snapshotId]] }), 'CK-SNAPSHOT-GONE')
    },
  }
}
