import type { Volume } from '../openstack/cinder.js'
import type { VolumeRecord } from '../targets/target.js'

/** What a copy's manifest keeps of the volume: everything needed to create it again. */
export function volumeRecord(volume: Volume): VolumeRecord {
  const { name, description, sizeGib, projectId, userId, host, nameId, type, availabilityZone } = volume
  const { bootable, multiattach, encrypted, encryptionKeyId, metadata, imageMetadata } = volume
  return {
    ...{ volumeId: volume.id, name, description, sizeGib, projectId, userId, host, nameId, type, availabilityZone },
    ...{ bootable, multiattach, encrypted, encryptionKeyId, metadata, imageMetadata },
    attachments: volume.attachments.map(({ serverId, device }) => ({ serverId, device })),
  }
}
