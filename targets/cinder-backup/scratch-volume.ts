import type { Backup, Volume } from '../../openstack/cinder.js'
import { orNull } from '../../openstack/or-null.js'
import type { CopyContext } from '../target.js'
import { deleteVolume } from './delete-volume.js'
import { findOrCreate } from './find-or-create.js'
import { isOurVolume, ownMarks, selfMark } from './marks.js'
import { scratchName } from './names.js'
import type { OwnBackup } from './own-backups.js'
import { pollUntil } from './poll-until.js'
import { forgetScratch, notedScratch, noteScratch } from './scratch-note.js'
import { hasCode, type Setting } from './setting.js'
import { waitForVolume } from './temporary-volume.js'

/** Our scratch volumes of an archive: by name and mark, or by what the archive's backups say about them. */
export async function findScratchVolumes(
  { cinder, name, installation }: Setting,
  archiveId: string,
  backups: Backup[],
): Promise<Volume[]> {
  const recorded = new Map<string, Backup>()
  for (const backup of backups) {
    const id = notedScratch(backup)
    if (id !== null) recorded.set(id, backup)
  }
  const found = new Map<string, Volume>()
  for await (const volume of cinder.listVolumes({ name: scratchName(archiveId, name) })) {
    if (recorded.has(volume.id) || isOurVolume(volume, { installation, archiveId })) found.set(volume.id, volume)
  }
  for (const [id, backup] of recorded) {
    if (found.has(id)) continue
    // renamed meanwhile, or deleted; a volume into which this backup was never restored is somebody else's
    const volume = await orNull('CK-VOLUME-GONE', () => cinder.getVolume(id))
    if (volume !== null && isRestoredFrom(volume, backup)) found.set(id, volume)
  }
  return [...found.values()]
}

/** Cinder itself writes this when a restore into another volume than the source has ended. */
export function isRestoredFrom(volume: Volume, backup: Backup): boolean {
  return volume.metadata['src_backup_id'] === backup.id
}

/**
 * A scratch volume that is `available`: one into which an earlier attempt restored this backup to the end, or else a
 * new, empty one, for a restore into used space is slower and into a half restored one unclear.
 */
export async function scratchVolume(setting: Setting, own: OwnBackup, context: CopyContext): Promise<Volume> {
  const { archiveId } = own.manifest
  const find = async (): Promise<Volume[]> => findScratchVolumes(setting, archiveId, [own.backup])
  for (const old of await find()) {
    const settled = await settledVolume(setting, context, old.id)
    if (settled?.status === 'available' && isRestoredFrom(settled, own.backup)) return settled
    if (settled !== null) await deleteVolume(setting, context, settled.id)
  }
  const made = await findOrCreate(
    setting,
    context,
    'a scratch volume',
    async () => (await find())[0],
    () => createScratch(setting, own),
  )
  const ready = await waitForVolume(setting, context, made.id)
  await setting.cinder.setVolumeMetadata(ready.id, selfMark(ready.id))
  await noteScratch(setting, own.backup.id, ready.id)
  return ready
}

/** After a restore: the volume carries the source's metadata, by which a policy could take it for one to protect. */
export async function markScratchAgain(setting: Setting, own: OwnBackup, volume: Volume): Promise<void> {
  await setting.cinder.updateVolume(volume.id, {
    name: scratchName(own.manifest.archiveId, setting.name),
    metadata: { ...scratchMarks(setting, own), ...selfMark(volume.id), src_backup_id: own.backup.id },
  })
}

/** Deletes it, then forgets it. */
export async function removeScratch(
  setting: Setting,
  own: OwnBackup,
  volume: Volume,
  context: CopyContext,
): Promise<void> {
  await deleteVolume(setting, context, volume.id)
  await forgetScratch(setting, own.backup.id)
}

async function createScratch(setting: Setting, own: OwnBackup): Promise<Volume> {
  const { type, availabilityZone } = own.manifest.volume
  const request = {
    name: scratchName(own.manifest.archiveId, setting.name),
    description: 'Temporary: Cinderkeep restores a copy here to compare it',
    sizeGib: own.backup.sizeGib,
    metadata: scratchMarks(setting, own),
  }
  const like = { ...request, ...(type !== null && { type }), ...(availabilityZone !== null && { availabilityZone }) }
  try {
    return await setting.cinder.createVolume(like)
  } catch (error) {
    // the type or the zone of long ago may be gone; an encrypted volume needs its type
    const known = hasCode(error, 'CK-CLOUD-NOT-FOUND') || hasCode(error, 'CK-CLOUD-BAD-REQUEST')
    if (!known || own.manifest.volume.encrypted) throw error
    return setting.cinder.createVolume(request)
  }
}

function scratchMarks({ installation }: Setting, { manifest }: OwnBackup): Record<string, string> {
  const { archiveId, volume } = manifest
  return ownMarks({ installation, archiveId, volumeId: volume.volumeId, purpose: 'scratch' })
}

/** The volume when nothing is being done with it any more; null when it is gone. */
async function settledVolume(setting: Setting, context: CopyContext, id: string): Promise<Volume | null> {
  return pollUntil(setting, context, async () => {
    const volume = await orNull('CK-VOLUME-GONE', () => setting.cinder.getVolume(id))
    if (volume === null || volume.status === 'available' || volume.status.startsWith('error')) return { done: volume }
    return { waiting: { phase: `${volume.name} is still ${volume.status} from an earlier attempt` } }
  })
}
