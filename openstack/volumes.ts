import { z } from 'zod'
import { type CinderCalls, unlessGone } from './cinder-call.js'
import type { Cinder, Volume } from './cinder.js'
import { flag, gib, id, instant, labels, maybe, maybeInstant, text } from './fields.js'
import { pages } from './pages.js'

const attachment = z
  .object({ attachment_id: id, server_id: maybe, host_name: maybe, device: maybe })
  .transform((raw) => ({
    attachmentId: raw.attachment_id,
    serverId: raw.server_id,
    hostName: raw.host_name,
    device: raw.device,
  }))

/** @param ownProject whose it is where the answer does not say: a volume's creation names no project */
function volumeSchema(ownProject?: string) {
  return z
    .object({
      id,
      name: text,
      description: maybe,
      status: z.string().min(1),
      size: gib,
      // hidden from nobody but by an unusual policy; without it copies would land under a wrong owner
      'os-vol-tenant-attr:tenant_id': ownProject === undefined ? id : id.optional().default(ownProject),
      user_id: maybe,
      'os-vol-host-attr:host': maybe,
      'os-vol-mig-status-attr:name_id': maybe,
      'os-vol-mig-status-attr:migstat': maybe,
      volume_type: maybe,
      availability_zone: maybe,
      bootable: flag,
      multiattach: flag,
      encrypted: flag,
      encryption_key_id: maybe,
      snapshot_id: maybe,
      source_volid: maybe,
      created_at: instant,
      updated_at: maybeInstant,
      metadata: labels,
      volume_image_metadata: labels,
      attachments: z
        .array(attachment)
        .nullish()
        .transform((list) => list ?? []),
    })
    .transform((raw): Volume => {
      const nameId = raw['os-vol-mig-status-attr:name_id']
      return {
        id: raw.id,
        name: raw.name,
        description: raw.description,
        status: raw.status,
        sizeGib: raw.size,
        projectId: raw['os-vol-tenant-attr:tenant_id'],
        userId: raw.user_id,
        host: raw['os-vol-host-attr:host'],
        nameId: nameId === raw.id ? null : nameId,
        migrationStatus: raw['os-vol-mig-status-attr:migstat'],
        type: raw.volume_type,
        availabilityZone: raw.availability_zone,
        bootable: raw.bootable,
        multiattach: raw.multiattach,
        encrypted: raw.encrypted,
        encryptionKeyId: raw.encryption_key_id,
        snapshotId: raw.snapshot_id,
        sourceVolumeId: raw.source_volid,
        createdAt: raw.created_at,
        updatedAt: raw.updated_at,
        metadata: raw.metadata,
        imageMetadata: raw.volume_image_metadata,
        attachments: raw.attachments,
      }
    })
}

const oneVolume = z.object({ volume: volumeSchema() })

type VolumeCalls = Pick<
  Cinder,
  'getVolume' | 'listVolumes' | 'createVolume' | 'updateVolume' | 'setVolumeMetadata' | 'deleteVolume'
>

export function volumeCalls(calls: CinderCalls): VolumeCalls {
  return {
    async getVolume(volumeId) {
      const request = { method: 'GET', path: `/volumes/${volumeId}`, about: [['volume', volumeId]] } as const
      return (await calls.read(oneVolume, request)).volume
    },

    async *listVolumes(filter = {}) {
      const { name, status, metadata } = filter
      const all = pages(calls, {
        name: 'volumes',
        path: '/volumes/detail',
        query: {
          all_tenants: filter.allProjects === true ? 1 : undefined,
          name,
          status,
          // read as a Python literal by Cinder; JSON of strings is one
          metadata: metadata === undefined ? undefined : JSON.stringify(metadata),
        },
        item: volumeSchema(),
        ...(filter.after !== undefined && { after: filter.after }),
      })
      for await (const volume of all) {
        // filters that the cloud does not allow are ignored by it, and an object by another name must never be adopted
        if (name !== undefined && volume.name !== name) continue
        if (status !== undefined && volume.status !== status) continue
        if (!Object.entries(metadata ?? {}).every(([key, value]) => volume.metadata[key] === value)) continue
        yield volume
      }
    },

    async createVolume(wanted) {
      const created = z.object({ volume: volumeSchema(await calls.session.projectId()) })
      const request = {
        method: 'POST',
        path: '/volumes',
        json: {
          volume: {
            name: wanted.name,
            size: wanted.sizeGib,
            volume_type: wanted.type,
            snapshot_id: wanted.snapshotId,
            description: wanted.description,
            availability_zone: wanted.availabilityZone,
            metadata: wanted.metadata,
          },
        },
      } as const
      const about = wanted.snapshotId === undefined ? [] : ([['snapshot', wanted.snapshotId]] as const)
      return (await calls.read(created, { ...request, about })).volume
    },

    async updateVolume(volumeId, change) {
      await calls.act({
        method: 'PUT',
        path: `/volumes/${volumeId}`,
        json: { volume: change },
        about: [['volume', volumeId]],
      })
    },

    async setVolumeMetadata(volumeId, metadata) {
      await calls.act({
        method: 'POST',
        path: `/volumes/${volumeId}/metadata`,
        json: { metadata },
        about: [['volume', volumeId]],
      })
    },

    async deleteVolume(volumeId) {
      const act = calls.act({ method: 'DELETE', path: `/volumes/${volumeId}`, about: [['volume', volumeId]] })
      await unlessGone(act, 'CK-VOLUME-GONE')
    },
  }
}
