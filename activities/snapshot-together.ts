import { cancellationSignal } from '@temporalio/activity'
import { volumeObject } from '../source/object-names.js'
import type { FreezeMember, SnapshotsTaken } from '../workflows/freeze-messages.js'
import { toFailure } from './failures.js'
import { captureMetadata, captureName } from './find-captures.js'
import type { MoveDeps } from './move-activities.js'
import { rbdCaptureName } from './capture-record.js'
import { untilAvailable } from './take-cinder-capture.js'
import { noImages } from './volume-images.js'

/**
 * Takes the snapshots of volumes whose servers are frozen, all at once, and returns when each exists: Cinder answers
 * before its own do. Nothing else is done here, for the guests wait: `prepareCapture` came before, and `takeCapture`, which
 * finds them by their names, comes after the thaw.
 */
export function snapshotTogether(deps: MoveDeps) {
  return async ({ members }: { members: FreezeMember[] }): Promise<SnapshotsTaken> => {
    // nothing may still be asked for when the archives go on
    const all = await Promise.allSettled(
      members.map(async (member) => ({
        volumeId: member.volumeId,
        ...(member.capturedBy === undefined
          ? { snapshotId: await byCinder(deps, member) }
          : await onImage(deps, member, member.capturedBy)),
      })),
    )
    cancellationSignal().throwIfAborted()
    const done: SnapshotsTaken = { taken: [], failed: [] }
    for (const [at, one] of all.entries()) {
      if (one.status === 'fulfilled') done.taken.push(one.value)
      else done.failed.push(whyNot(deps, members[at]?.name || (members[at]?.volumeId ?? ''), one.reason))
    }
    return done
  }
}

/** The code comes first: it says whether the snapshot may exist all the same. */
function whyNot({ log }: MoveDeps, volume: string, error: unknown): string {
  log.warn({ volume, err: error }, 'a snapshot under a freeze failed')
  const failure = toFailure(error, 'snapshotTogether')
  const message = failure instanceof Error ? failure.message : String(failure)
  const [, code = 'CK-UNEXPECTED', text = message] = /^(CK-[A-Z0-9-]+) {2}(.*)$/s.exec(message) ?? []
  return `${code}  volume ${volume}: ${text}`
}

async function byCinder({ cinder, installation }: MoveDeps, member: FreezeMember): Promise<string> {
  const { volumeId, archiveId, archive } = member
  const snapshot = await cinder.createSnapshot({
    volumeId,
    name: captureName(archiveId),
    force: true,
    description: `capture of ${archive}; removed when its copies are done`,
    metadata: captureMetadata(installation, member, false),
  })
  const context = { signal: cancellationSignal(), report: () => undefined, pollMs: 100 }
  return (await untilAvailable({ cinder }, snapshot, context)).id
}

async function onImage(
  deps: MoveDeps,
  { volumeId, archiveId }: FreezeMember,
  { seconds, place }: NonNullable<FreezeMember['capturedBy']>,
): Promise<{ snapshotId: string; at: string }> {
  // where it was planned to be: a volume that moved since has no such image, and is captured unfrozen
  const images = deps.imagesOf(place.host)
  if (images === undefined) throw noImages(volumeId, place.host)
  // a reset of the archive leads here again: one that is there may have been taken while nothing was frozen
  const name = rbdCaptureName(archiveId, seconds)
  const at = new Date().toISOString()
  await images.createNewSnapshot(volumeObject(place), name)
  return { snapshotId: name, at }
}
