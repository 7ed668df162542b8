import { setTimeout as sleep } from 'node:timers/promises'
import { CodedError } from '../errors/coded-error.js'
import type { Snapshot, Volume } from '../openstack/cinder.js'
import type { Capture, Consistency, CopyContext } from '../targets/target.js'
import { withHeartbeat } from './copy-context.js'
import type { Deps } from './control-activities.js'
import { findTarget } from './find-target.js'
import { captureMetadata, captureName, findCaptures } from './find-captures.js'
import { volumeRecord } from './volume-record.js'

export interface CaptureRequest {
  archiveId: string
  /** The archive workflow's id. */
  archive: string
  slot: string
  group: string | null
  volumeId: string
  consistency: { prefer: Consistency[]; require: Consistency }
  /** Written on the snapshot as its expiry. */
  maxAgeSeconds: number
  /** False when every target makes its own snapshot (cinder-backup's `force`). */
  snapshot: boolean
  /** Who will copy it: there must be room for it on one of them. */
  targets: { target: string; force: boolean }[]
}

/** A target that has no room for a copy now, and why. */
export interface Deferral {
  target: string
  reason: string
}

/** What was captured, and which targets cannot copy it now. */
export type Taken = Capture & { deferred?: Deferral[] }

/** Who uses a volume: no attachment, and no other client where a source can tell. */
interface Use {
  attached: boolean
  watchers: Capture['watchers']
}

const weakest: Consistency[] = ['crash', 'frozen', 'detached']

/**
 * Takes a Cinder snapshot `ck-<archive id>`, or finds the one that an earlier attempt took, and says what consistency
 * was achieved: `detached` needs that nobody used the volume before *and* after it.
 * @throws CodedError `CK-DEFERRED` before anything is made, when no target has room for a copy; `CK-CONSISTENCY-FLOOR`
 * before anything is made, or after it was removed again
 */
export function takeCapture(deps: Deps) {
  return async (request: CaptureRequest): Promise<Taken> =>
    withHeartbeat(async (context) => {
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
      const consistency = achieved(wasDetached, request)
      if (consistency === null) return refuseFloor(deps, snapshot, request, after)
      const capture = captureOf(request, volume, snapshot, consistency, watchersOf(before, after))
      return { ...capture, deferred }
    })
}

async function useOf({ sources, log }: Deps, volume: Volume): Promise<Use> {
  const { id: volumeId, host, nameId } = volume
  const attached = volume.attachments.length > 0
  const source = sources.find(host)
  if (source === undefined) return { attached, watchers: 'unknown' }
  try {
    const watchers = await source.watchers({ volumeId, host, nameId })
    return { attached, watchers: watchers.length === 0 ? 'none' : watchers }
  } catch (err) {
    // this process may not reach the storage that the movers reach; the point says so
    log.warn({ volume: volumeId, err }, 'cannot tell who has the image open')
    return { attached, watchers: 'unknown' }
  }
}

/** Who had the image open before or after; not known when one of the two looks could not tell. */
function watchersOf(before: Use, after: Use): Capture['watchers'] {
  const seen = [before.watchers, after.watchers].flatMap((one) => (Array.isArray(one) ? one : []))
  if (seen.length > 0) return [...new Set(seen)]
  return before.watchers === 'none' && after.watchers === 'none' ? 'none' : 'unknown'
}

function isDetached({ attached, watchers }: Use): boolean {
  return !attached && (watchers === 'none' || watchers === 'unknown')
}

/** The first preference that was achieved; null when it lies below the floor or is not wanted at all. */
function achieved(wasDetached: boolean, { consistency }: CaptureRequest): Consistency | null {
  const is: Consistency = wasDetached ? 'detached' : 'crash'
  // what is detached is as good as any other: nobody writes
  const fits = wasDetached ? consistency.prefer.length > 0 : consistency.prefer.includes('crash')
  return fits && weakest.indexOf(is) >= weakest.indexOf(consistency.require) ? is : null
}

/** The targets that have no room for a copy. @throws CodedError `CK-DEFERRED` when that is all of them */
async function withoutRoom(
  { targets, log }: Deps,
  { volumeId, archive, targets: wanted }: CaptureRequest,
  { sizeGib, host }: Volume,
  context: CopyContext,
): Promise<Deferral[]> {
  const deferred: Deferral[] = []
  for (const { target, force } of wanted) {
    context.report({ phase: `looking whether there is room on ${target}` })
    const fit = await findTarget(targets, target).preflight?.({ sizeGib, host }, context, { force })
    if (fit?.fits === false) deferred.push({ target, reason: fit.reason })
  }
  for (const { target, reason } of deferred) log.info({ volume: volumeId, archive, target, reason }, 'there is no room')
  if (deferred.length === 0 || deferred.length < wanted.length) return deferred
  const reasons = deferred.map(({ target, reason }) => `${target}: ${reason}`)
  throw new CodedError('CK-DEFERRED', `the archive of volume ${volumeId} is put off: ${reasons.join('. ')}`, {
    cure: 'Nothing was made. It is tried again by itself; raise what is too small, or remove what fills it.',
  })
}

async function findEarlier(deps: Deps, request: CaptureRequest): Promise<Snapshot | null> {
  const found = await findCaptures(deps, request)
  // an earlier attempt gave these up
  const [oldest, ...extras] = found.filter(({ status }) => status !== 'deleting')
  // an answer that was lost may have left two; the first is the point in time that was asked for, and what cannot
  // be deleted yet goes with the capture's release
  for (const { id, status } of extras) if (status === 'available') await deps.cinder.deleteSnapshot(id)
  return oldest ?? null
}

async function create(
  deps: Deps,
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

async function untilAvailable(
  { cinder }: Deps,
  snapshot: Snapshot,
  { signal, report }: CopyContext,
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
    await sleep(500, undefined, { signal })
  }
}

async function refuseFloor({ cinder }: Deps, { id }: Snapshot, request: CaptureRequest, after: Use): Promise<never> {
  await cinder.deleteSnapshot(id)
  throw belowFloor(request, after)
}

function belowFloor({ volumeId, consistency }: CaptureRequest, { attached, watchers }: Use): CodedError {
  const { prefer, require } = consistency
  const open = Array.isArray(watchers) ? `its image is open by ${watchers.join(', ')}` : 'it was attached just before'
  const use = attached ? 'it is attached' : open
  return new CodedError(
    'CK-CONSISTENCY-FLOOR',
    `volume ${volumeId} can only be captured as "crash" (${use}); the policy prefers ${prefer.join(', ')} and requires ${require}`,
    { cure: 'Detach it, archive on volume.detach.end, or allow "crash" in the policy.' },
  )
}

/** What a `force` backup captures is known to be no better than a crash: Cinder takes its own snapshot, some time later. */
function withoutSnapshot(request: CaptureRequest, volume: Volume, { watchers }: Use): Capture {
  const { consistency } = request
  if (!consistency.prefer.includes('crash') || consistency.require !== 'crash') {
    throw belowFloor(request, { attached: volume.attachments.length > 0, watchers })
  }
  const createdAt = new Date().toISOString()
  return captureOf(request, volume, { id: '', name: '', createdAt, sizeGib: volume.sizeGib }, 'crash', watchers)
}

function captureOf(
  request: CaptureRequest,
  volume: Volume,
  snapshot: Pick<Snapshot, 'id' | 'name' | 'createdAt' | 'sizeGib'>,
  consistency: Consistency,
  watchers: Capture['watchers'],
): Capture {
  const { archiveId, archive, slot, group } = request
  // Cinder's times are UTC and carry no zone
  const capturedAt = `${snapshot.createdAt.slice(0, 19)}Z`
  return {
    ...{ archiveId, archive, slot, group, capturedAt, consistency, watchers },
    point: `${capturedAt}-${archiveId.slice(0, 8)}`,
    volume: volumeRecord(volume),
    snapshotId: snapshot.id,
    snapshotName: snapshot.name,
    sizeBytes: snapshot.sizeGib * 2 ** 30,
  }
}
