import type { Volume } from '../openstack/cinder.js'
import type { Capture, Consistency } from '../targets/target.js'
import type { CaptureRequest } from './take-capture.js'
import { volumeRecord } from './volume-record.js'

/** The snapshot as its maker tells of it. */
export interface SnapshotTaken {
  maker?: 'rbd'
  id: string
  name: string
  /** ISO 8601; whole seconds count. Cinder's times are UTC and carry no zone. */
  createdAt: string
  sizeBytes: number
}

/** What an archive hands to its targets. */
export function captureOf(
  request: CaptureRequest,
  volume: Volume,
  { maker, id, name, createdAt, sizeBytes }: SnapshotTaken,
  consistency: Consistency,
  watchers: Capture['watchers'],
): Capture {
  const { archiveId, archive, slot, group, members } = request
  const capturedAt = `${createdAt.slice(0, 19)}Z`
  return {
    ...{ archiveId, archive, slot, group, capturedAt, consistency, watchers },
    point: `${capturedAt}-${archiveId.slice(0, 8)}`,
    volume: volumeRecord(volume),
    ...(maker !== undefined && { maker }),
    ...(members !== undefined && { members }),
    snapshotId: id,
    snapshotName: name,
    sizeBytes,
  }
}
