import { cancellationSignal } from '@temporalio/activity'
import { CodedError } from '../errors/coded-error.js'
import { volumeObject } from '../source/object-names.js'
import type { FreezeMember, FrozenSnapshot, SnapshotsTaken } from '../workflows/freeze-messages.js'
import { toFailure } from './failures.js'
import { captureMetadata, captureName } from './find-captures.js'
import type { MoveDeps } from './move-activities.js'
import { rbdCaptureName } from './capture-record.js'
import { untilAvailable } from './take-cinder-capture.js'
import { noImages } from './volume-images.js'

export interface TogetherRequest {
  members: FreezeMember[]
  /** The guests must be thawed soon after. */
  withinMs: number
}

/**
 * Takes the snapshots of volumes whose servers are frozen, all at once, and returns when each exists, or its time is over: Cinder
 * answers before its own do, and one that is stuck takes the freeze from no other. Nothing else is done here, for the guests
 * wait: `prepareCapture` came before, and `takeCapture`, which finds them by their names, comes after the thaw.
 */
export function snapshotTogether(deps: MoveDeps) {
  return async ({ members, withinMs }: TogetherRequest): Promise<SnapshotsTaken> => {
    const late = AbortSignal.timeout(withinMs)
    const all = await Promise.allSettled(members.map(async (member) => inTime(late, take(deps, member, late))))
    cancellationSignal().throwIfAborted()
    const done: SnapshotsTaken = { taken: [], failed: [] }
    for (const [at, one] of all.entries()) {
      if (one.status === 'fulfilled') done.taken.push(one.value)
      else done.failed.push(whyNot(deps, members[at]?.name || (members[at]?.volumeId ?? ''), one.reason))
    }
    return done
  }
}

async function take(deps: MoveDeps, member: FreezeMember, late: AbortSignal): Promise<FrozenSnapshot> {
  const { volumeId, capturedBy } = member
  if (capturedBy === undefined) return { volumeId, snapshotId: await byCinder(deps, member, late) }
  return { volumeId, ...(await onImage(deps, member, capturedBy)) }
}

/** What comes later exists all the same: whoever cleans up must know of it. */
async function inTime<T>(late: AbortSignal, doing: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    late.addEventListener('abort', () => {
      reject(
        new CodedError('CK-TIMED-OUT', 'its snapshot did not exist in time, and no guest is kept frozen for it', {
          cure: 'See why snapshots take so long there: cinder-volume’s log, or the cluster.',
        }),
      )
    })
    doing.then(resolve, reject)
  })
}

/** The code comes first: it says whether the snapshot may exist all the same. */
function whyNot({ log }: MoveDeps, volume: string, error: unknown): string {
  log.warn({ volume, err: error }, 'a snapshot under a freeze failed')
  const failure = toFailure(error, 'snapshotTogether')
  const message = failure instanceof Error ? failure.message : String(failure)
  const [, code = 'CK-UNEXPECTED', text = message] = /^(CK-[A-Z0-9-]+) {2}(.*)$/s.exec(message) ?? []
  return `${code}  volume ${volume}: ${text}`
}

async function byCinder({ cinder, installation }: MoveDeps, member: FreezeMember, late: AbortSignal): Promise<string> {
  const { volumeId, archiveId, archive } = member
  const snapshot = await cinder.createSnapshot({
    volumeId,
    name: captureName(archiveId),
    force: true,
    description: `capture of ${archive}; removed when its copies are done`,
    metadata: captureMetadata(installation, member, false),
  })
  const signal = AbortSignal.any([cancellationSignal(), late])
  const context = { signal, report: () => undefined, pollMs: 100 }
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
