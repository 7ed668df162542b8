import type { Manifest } from './manifest.js'
import { piecesOf } from './tree-store.js'
import type { WriteJob, Written } from './write-job.js'

/** @param copySnapshot the RBD snapshot that holds the bytes */
export function manifestOf(
  { setting, capture, image, sizeBytes }: WriteJob,
  { read, wholeObject, base, readBytes, writtenBytes }: Written,
  copySnapshot: { name: string; id: number },
  rootHash: string,
): Manifest {
  const { pieceLeaves } = setting.pace
  const { compare } = setting.options
  const old = base?.manifest
  const isNext = read === 'changes' && old !== undefined
  return {
    format: 1,
    installation: setting.installation,
    target: setting.name,
    point: capture.point,
    archiveId: capture.archiveId,
    archive: capture.archive,
    slot: capture.slot,
    group: capture.group,
    ...(capture.members !== undefined && { members: capture.members }),
    capturedAt: capture.capturedAt,
    consistency: capture.consistency,
    watchers: capture.watchers,
    sizeBytes: capture.sizeBytes,
    maker: capture.maker ?? 'cinder',
    snapshotId: capture.snapshotId,
    snapshotName: capture.snapshotName,
    volume: capture.volume,
    image,
    copySnapshot,
    hashedBytes: sizeBytes,
    rootHash,
    pieces: piecesOf(sizeBytes, pieceLeaves),
    pieceLeaves,
    read,
    wholeObject,
    base:
      old === undefined
        ? null
        : {
            archiveId: old.archiveId,
            snapshotId: old.snapshotId,
            point: old.point,
            copySnapshot: old.copySnapshot,
          },
    // also of one that was read whole against another: what it took from there is read back in turn
    round: old === undefined ? 0 : old.round + 1,
    lineage: isNext ? old.lineage : capture.point,
    compare,
    comparedAt: isNext
      ? comparedAt(old, { compare, hashedBytes: sizeBytes }, capture.capturedAt)
      : [capture.capturedAt],
    readBytes,
    writtenBytes,
  }
}

/**
 * As many captures as it takes to compare everything; with another share or size than before, other leaves are in turn, and
 * what was compared until then counts from its oldest.
 */
function comparedAt(
  old: Manifest,
  { compare, hashedBytes }: Pick<Manifest, 'compare' | 'hashedBytes'>,
  capturedAt: string,
): string[] {
  const isAsBefore = old.compare === compare && old.hashedBytes === hashedBytes
  const before = isAsBefore ? old.comparedAt : old.comparedAt.slice(0, 1)
  return [...before, capturedAt].slice(-compare)
}
