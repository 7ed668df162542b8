import { setTimeout as sleep } from 'node:timers/promises'
import { CodedError } from '../errors/coded-error.js'
import type { Snapshot, Volume } from '../openstack/cinder.js'
import type { Capture, CopyContext } from '../targets/target.js'
import { captureOf, type SnapshotTaken } from './capture-of.js'
import { captureMetadata, captureName, findCaptures } from './find-captures.js'
import type { MoveDeps } from './move-activities.js'
import type { CaptureRequest, Taken } from './take-capture.js'
import { achieved, belowFloor, isDetached, useOf, watchersOf, type Use } from './volume-use.js'
import { withoutRoom } from './without-room.js'

/**
 * Takes a Cinder snapshot `ck-<archive id>`, or finds the one that an earlier attempt took, and says what consistency
 * was achieved: `detached` needs that nobody used the volume before *and* after it.
 * @throws CodedError `CK-DEFERRED` before anything is made, when no target has room for a copy; `CK-CONSISTENCY-FLOOR`
 * before anything is made, or after it was removed again
 */
export async function takeCinderCapture(deps: MoveDeps, request: CaptureRequest, context: CopyContext): Promise<Taken> {
  const volume = await deps.cinder.getVolume(request.volumeId)
  const before = await useOf(deps, volume)
  if (!request.snapshot) {
    const capture = withoutSnapshot(request, volume, before)
    return { ...capture, deferred: await withoutRoom(deps, request, volume, context) }
  }
  // an earlier attempt took it, when there was room
  const found = await findEarlier(deps, request)
  const deferred = found === null ? await withoutRoom(deps, request, volume, context) : []
  const taken = found ?? (await create(deps, request, volume, before, context))
  const snapshot = await untilAvailable(deps, taken, context)
  const after = await useOf(deps, await deps.cinder.getVolume(request.volumeId))
  const wasDetached = snapshot.metadata['ck:before'] === 'detached' && isDetached(after)
  const consistency = achieved(wasDetached, request, snapshot.id === request.frozenSnapshotId)
  if (consistency === null) return refuseFloor(deps, snapshot, request, after)
  const capture = captureOf(request, volume, takenFrom(snapshot), consistency, watchersOf(before, after))
  return { ...capture, deferred }
}

/** The snapshot that an earlier attempt took; further ones are removed. */
export async function findEarlier(deps: MoveDeps, request: CaptureRequest): Promise<Snapshot | null> {
  const found = await findCaptures(deps, request)
  // an earlier attempt gave these up
  const [oldest, ...extras] = found.filter(({ status }) => status !== 'deleting')
  // an answer that was lost may have left two; the first is the point in time that was asked for, and what cannot
  // be deleted yet goes with the capture's release
  for (const { id, status } of extras) if (status === 'available') await deps.cinder.deleteSnapshot(id)
  return oldest ?? null
}

async function create(
  deps: MoveDeps,
  request: CaptureRequest,
  volume: Volume,
  before: Use,
  context: CopyContext,
): Promise<Snapshot> {
  if (achieved(isDetached(before), request) === null) throw belowFloor(request, before)
  context.report({ phase: `taking snapshot ${captureName(request.archiveId)}` })
  const { cinder } = deps
  return cinder.createSnapshot({
    volumeId: volume.id,
    name: captureName(request.archiveId),
    // a volume in use is refused without it
    force: true,
    description: `capture of ${request.archive}; removed when its copies are done`,
    metadata: captureMetadata(deps.installation, request, isDetached(before)),
  })
}

/** @throws CodedError `CK-SNAPSHOT-FAILED` */
export async function untilAvailable(
  { cinder }: Pick<MoveDeps, 'cinder'>,
  snapshot: Snapshot,
  { signal, report, pollMs = 500 }: Pick<CopyContext, 'signal' | 'report'> & { pollMs?: number },
): Promise<Snapshot> {
  for (let now = snapshot; ; now = await cinder.getSnapshot(snapshot.id)) {
    if (now.status === 'available' || now.status === 'backing-up') return now
    if (now.status !== 'creating') {
      const messages = await cinder.listMessages(now.id)
      if (now.status.startsWith('error')) await cinder.deleteSnapshot(now.id)
      throw new CodedError('CK-SNAPSHOT-FAILED', `snapshot ${now.name} of volume ${now.volumeId} is ${now.status}`, {
        cure: messages.at(0)?.userMessage ?? 'See cinder-volume’s log for the reason; the archive tries again.',
      })
    }
    report({ phase: `snapshot ${now.name} is ${now.status}` })
    await sleep(pollMs, undefined, { signal })
  }
}

async function refuseFloor(
  { cinder }: MoveDeps,
  { id }: Snapshot,
  request: CaptureRequest,
  after: Use,
): Promise<never> {
  await cinder.deleteSnapshot(id)
  throw belowFloor(request, after)
}

/** What a `force` backup captures is known to be no better than a crash: Cinder takes its own snapshot, some time later. */
function withoutSnapshot(request: CaptureRequest, volume: Volume, { watchers }: Use): Capture {
  const { consistency } = request
  if (!consistency.prefer.includes('crash') || consistency.require !== 'crash') {
    throw belowFloor(request, { attached: volume.attachments.length > 0, stopped: false, watchers })
  }
  const none = { id: '', name: '', createdAt: new Date().toISOString(), sizeGib: volume.sizeGib }
  return captureOf(request, volume, takenFrom(none), 'crash', watchers)
}

function takenFrom({
  id,
  name,
  createdAt,
  sizeGib,
}: Pick<Snapshot, 'id' | 'name' | 'createdAt' | 'sizeGib'>): SnapshotTaken {
  return { id, name, createdAt, sizeBytes: sizeGib * 2 ** 30 }
}
