import type { MoveDeps } from './move-activities.js'
import { archiveOfSnapshot } from './capture-record.js'
import type { VolumeImages } from './volume-images.js'

/**
 * Frees the image of a deleted volume that waits in the trash because the archive's snapshot was made while Cinder deleted
 * it: removes the snapshot, then the image. A mover's user may not delete data, as it should be: then the image waits for
 * Cinder's own purge (`enable_deferred_deletion`) or for a person, who is told. An image that no snapshot of ours held is
 * left alone: somebody may have put it there on purpose.
 * @param heldIt whether a snapshot of the archive was on the image before it came into the trash
 */
export async function freeFromTrash(
  { log }: Pick<MoveDeps, 'log'>,
  images: VolumeImages,
  image: string,
  { archiveId, volumeId }: { archiveId: string; volumeId: string },
  heldIt: boolean,
): Promise<void> {
  for (const { id } of (await images.trash()).filter(({ name }) => name === image)) {
    const snapshots = (await images.snapshots({ id })) ?? []
    const own = snapshots.filter(({ name }) => archiveOfSnapshot(name) === archiveId)
    if (own.length === 0 && !heldIt) continue
    for (const snapshot of own) await images.removeSnapshot({ id }, snapshot)
    // of another archive, which removes its own
    if (snapshots.length > own.length) continue
    try {
      await images.removeFromTrash({ id })
      log.info({ volume: volumeId, image, id }, 'the image of a deleted volume was freed from the trash')
    } catch (err) {
      const what = `the image of a deleted volume waits in the trash of pool ${images.pool}, and nothing holds it any more: rbd trash rm ${images.pool}/${id}`
      log.warn({ volume: volumeId, image, id, code: 'CK-TRASH-LEFT', err }, what)
    }
  }
}
