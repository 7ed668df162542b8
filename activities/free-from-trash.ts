import { archiveOfSnapshot } from './capture-record.js'
import type { MoveDeps } from './move-activities.js'
import type { ReleaseRequest } from './release-capture.js'
import type { VolumeImages } from './volume-images.js'

/** Of two clocks. */
const toleranceMs = 60_000

/**
 * Frees the image of a deleted volume that waits in the trash because of us: Cinder moves it there when a snapshot appears
 * while it deletes the volume, and also when somebody has the image open at that moment, as any change to it does. Our
 * snapshot is removed, then the image. Only one that came into the trash since this archive was planned: an older one
 * was put there by others.
 *
 * A mover's user may not delete data, as it should be; then, and without `sources[].trash`, the image waits for Cinder's own
 * purge (`enable_deferred_deletion`) or for a person, who is told.
 */
export async function freeFromTrash(
  { log }: Pick<MoveDeps, 'log'>,
  images: VolumeImages,
  image: string,
  { archiveId, volumeId, capturedBy }: ReleaseRequest,
): Promise<void> {
  const plannedAt = (capturedBy?.seconds ?? 0) * 1000
  for (const { id, name, deletedAt } of await images.trash()) {
    if (name !== image) continue
    const snapshots = (await images.snapshots({ id })) ?? []
    const own = snapshots.filter((snapshot) => archiveOfSnapshot(snapshot.name) === archiveId)
    for (const snapshot of own) await images.removeSnapshot({ id }, snapshot)
    // of another archive, which removes its own, or of somebody else
    if (snapshots.length > own.length) continue
    if (own.length === 0 && !(deletedAt > plannedAt - toleranceMs)) continue
    try {
      await images.removeFromTrash({ id })
      log.info({ volume: volumeId, image, id }, 'the image of a deleted volume was freed from the trash')
    } catch (err) {
      const what = `the image of a deleted volume waits in the trash of pool ${images.pool}, and nothing holds it any more: rbd trash rm ${images.pool}/${id}`
      log.warn({ volume: volumeId, image, id, code: 'CK-TRASH-LEFT', err }, what)
    }
  }
}
