import { CodedError } from '../../errors/coded-error.js'
import type { Snapshot, Volume } from '../../openstack/cinder.js'
import type { Capture, CopyContext } from '../target.js'
import { deleteVolume } from './delete-volume.js'
import { findOrCreate } from './find-or-create.js'
import { isOurVolume, ownMarks, selfMark, withoutMarks } from './marks.js'
import { temporaryName } from './names.js'
import { pollUntil } from './poll-until.js'
import type { Setting } from './setting.js'

/** Our temporary volumes of this archive, whatever they were made from. */
export async function findTemporaryVolumes(setting: Setting, archiveId: string): Promise<Volume[]> {
  const found: Volume[] = []
  for await (const volume of setting.cinder.listVolumes({ name: temporaryName(archiveId, setting.name) })) {
    if (isOurVolume(volume, { installation: setting.installation, archiveId })) found.push(volume)
  }
  return found
}

/**
 * A volume with the capture's content, `available`, for Ceph's driver to back up: it cannot back up a snapshot without
 * endangering other backups, nor with the zeros left out. One that was made from another snapshot, or that failed, is
 * replaced.
 */
export async function temporaryVolume(setting: Setting, capture: Capture, context: CopyContext): Promise<Volume> {
  const { cinder, name, installation } = setting
  const { archiveId, volume: source } = capture
  const snapshot = await captureSnapshot(setting, capture, context)
  for (const old of await findTemporaryVolumes(setting, archiveId)) {
    if (old.snapshotId !== capture.snapshotId || old.status.startsWith('error')) {
      await deleteVolume(setting, context, old.id)
    }
  }
  const made = await findOrCreate(
    setting,
    context,
    'a temporary volume from the snapshot',
    async () => (await findTemporaryVolumes(setting, archiveId))[0],
    () =>
      cinder.createVolume({
        name: temporaryName(archiveId, name),
        description: `Temporary: Cinderkeep backs up volume ${source.volumeId} from it`,
        snapshotId: capture.snapshotId,
        sizeGib: snapshot.sizeGib,
        // the backup records this volume's metadata, and a restore writes it back: so it must be the source's
        metadata: {
          ...withoutMarks(source.metadata),
          ...ownMarks({ installation, archiveId, volumeId: source.volumeId, purpose: 'temporary' }),
        },
      }),
  )
  const ready = await waitForVolume(setting, context, made.id)
  if (ready.metadata['ck:self'] !== ready.id) await cinder.setVolumeMetadata(ready.id, selfMark(ready.id))
  return ready
}

/** Waits until Cinder has done with a volume that is being made or backed up. @throws `CK-VOLUME-FAILED` */
export async function waitForVolume(setting: Setting, context: CopyContext, id: string): Promise<Volume> {
  const { cinder } = setting
  return pollUntil(setting, context, async () => {
    const volume = await cinder.getVolume(id)
    if (volume.status === 'available') return { done: volume }
    if (!volume.status.startsWith('error')) return { waiting: { phase: `${volume.name} is ${volume.status}` } }
    const messages = (await cinder.listMessages(id)).map((one) => one.userMessage)
    throw new CodedError(
      'CK-VOLUME-FAILED',
      `Cinder could not make ${volume.name} (${id}), it is ${volume.status}${messages.length > 0 ? `: ${messages.join('; ')}` : ''}`,
      { cure: 'The logs of cinder-scheduler and cinder-volume say why. It is tried again by itself.' },
    )
  })
}

/** The capture's snapshot once it can be used. @throws `CK-CAPTURE-LOST` */
export async function captureSnapshot(setting: Setting, capture: Capture, context: CopyContext): Promise<Snapshot> {
  return pollUntil(setting, context, async () => {
    const snapshot = await getCaptureSnapshot(setting, capture)
    if (snapshot.status === 'available') return { done: snapshot }
    return { waiting: { phase: `the snapshot ${snapshot.name} is ${snapshot.status}` } }
  })
}

/** The snapshot as it is now. @throws `CK-CAPTURE-LOST` */
export async function getCaptureSnapshot({ cinder }: Setting, capture: Capture): Promise<Snapshot> {
  try {
    const snapshot = await cinder.getSnapshot(capture.snapshotId)
    if (snapshot.status.startsWith('error') || snapshot.status === 'deleting') throw lost(capture, snapshot.status)
    return snapshot
  } catch (error) {
    if (error instanceof CodedError && error.code === 'CK-SNAPSHOT-GONE') throw lost(capture, 'gone', error)
    throw error
  }
}

function lost(capture: Capture, how: string, cause?: unknown): CodedError {
  return new CodedError('CK-CAPTURE-LOST', `the snapshot ${capture.snapshotName} of the capture is ${how}`, {
    cure: 'Somebody deleted it, or Cinder did; the next archive takes a new one.',
    cause,
  })
}
