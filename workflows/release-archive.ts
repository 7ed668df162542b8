import { getExternalWorkflowHandle, log, proxyActivities, sleep } from '@temporalio/workflow'
import type { ControlActivities } from '../activities/control-activities.js'
import type { Capture } from '../targets/target.js'
import type { ArchivePermit } from './archive-permit.js'
import { failureOf, workerAway } from './failure-of.js'
import { noGroup, wantsFreeze } from './freeze-capture.js'
import type { ArchiveOutcome, ArchiveRequest, CapturedBy } from './messages.js'
import { copiedSignal } from './messages.js'
import { novaLeft, novaName, releaseByNova } from './release-by-nova.js'
import { clearAway, removeSoon } from './remove-temporaries.js'
import { showArchive } from './show-archive.js'
import { snapshotName } from './take-capture.js'
import { unclearFor } from './unclear-for.js'

/** How patient the removal of a capture is. */
export const releasing = {
  startToCloseTimeout: '30 minutes',
  heartbeatTimeout: '30 seconds',
  // a clone that came late holds the snapshot: then temporaries are removed again
  retry: { initialInterval: '2 seconds', backoffCoefficient: 2, maximumAttempts: 5 },
} as const

/**
 * How long to wait before asking again for what cannot be removed yet: a tenant's clone may hold a snapshot for years,
 * and each time leaves a dozen events in a history that has room for 50,000.
 */
const releasePause = { firstMinutes: 1, longestMinutes: 360 }

/**
 * Removes what the archive made beside finished copies, and returns when it is gone. A snapshot cannot go before its
 * clones, and one that was asked for without an answer may appear later. The permit goes when everything is removed, or
 * something that is not ours keeps it from that.
 */
export async function releaseArchive(
  request: ArchiveRequest,
  outcome: ArchiveOutcome,
  permit: ArchivePermit,
  isUnclear: boolean,
): Promise<void> {
  showArchive(request, outcome, 'releasing')
  const { unclearSeconds } = request.pace
  if (isUnclear) await sleep(unclearSeconds === undefined ? unclearFor : unclearSeconds * 1000)
  for (let minutes = releasePause.firstMinutes; ; minutes = Math.min(2 * minutes, releasePause.longestMinutes)) {
    const isFirst = minutes === releasePause.firstMinutes
    const left = await removeSoon(request)
    const held = await tryToRelease(request, outcome, minutes)
    if (isFirst) await permit.release()
    const hindrances = [...(held === null ? [] : [held.message]), ...left.map(({ reason }) => reason)]
    if (hindrances.length > 0) showArchive(request, outcome, 'releasing', hindrances)
    // its copies are good whatever becomes of the snapshot, or of a target that is down
    if (isFirst && hindrances.length > 0) await tellCopies(request, outcome)
    if (held === null) {
      const tell = () => undefined
      await Promise.all(left.map(async ({ plan }) => clearAway(request, plan, tell)))
      return
    }
    // where no mover was there it waited in their queue
    if (held.code !== workerAway) await sleep(minutes * 60_000)
  }
}

/** @returns why the capture is still there, or null */
async function tryToRelease(
  request: ArchiveRequest,
  outcome: ArchiveOutcome,
  minutes: number,
): Promise<ReturnType<typeof failureOf> | null> {
  try {
    await releaseCapture(request, outcome, minutes)
    return null
  } catch (error) {
    const failure = failureOf(error)
    log.warn('the capture cannot be released yet', { reason: failure.message })
    return failure
  }
}

async function tellCopies({ entity }: ArchiveRequest, { targets }: ArchiveOutcome): Promise<void> {
  const copies = targets.flatMap(({ copy }) => (copy === null ? [] : [copy]))
  if (entity === null || copies.length === 0) return
  await getExternalWorkflowHandle(entity)
    .signal(copiedSignal, copies)
    .catch(() => {
      log.info('nobody wants to know of the copies', { entity })
    })
}

/**
 * An RBD snapshot of which a copy was verified stays, as the base of the target's next copy. Where Nova may have frozen
 * the server, there may be one of Cinder's too, or instead.
 */
async function releaseCapture(
  request: ArchiveRequest,
  outcome: ArchiveOutcome,
  patienceMinutes: number,
): Promise<void> {
  const { capturedBy, archiveId, server, volume } = request
  await releaseOne(request, outcome, patienceMinutes, capturedBy)
  if (capturedBy !== undefined && wantsFreeze(request)) await releaseOne(request, outcome, patienceMinutes, undefined)
  const said = (code: string) => outcome.freezing?.some((reason) => reason.startsWith(code)) === true
  // the server's workflow was terminated, perhaps while Nova was at work for this archive and others
  const isUnknown = server !== undefined && said(noGroup)
  if (isUnknown || said(novaLeft)) {
    const volumes = [{ volumeId: volume.id, archiveId }]
    await releaseByNova({ serverId: server?.id, imageName: novaName([archiveId]), volumes, settled: !isUnknown })
  }
}

async function releaseOne(
  request: ArchiveRequest,
  { capture, targets }: ArchiveOutcome,
  patienceMinutes: number,
  capturedBy: CapturedBy | undefined,
): Promise<void> {
  const { archiveId, volume } = request
  const snapshotId = capture?.snapshotId ?? null
  const patience = Math.max(patienceMinutes * 60, 5 * request.pace.heartbeatSeconds)
  const { releaseCapture: act } = proxyActivities<Pick<ControlActivities, 'releaseCapture'>>({
    ...releasing,
    ...(capturedBy !== undefined && { taskQueue: capturedBy.queue, scheduleToStartTimeout: `${patience} seconds` }),
  })
  const isBase = capture?.maker === 'rbd'
  const bases = isBase ? targets.flatMap(({ target, copy }) => (copy?.state === 'verified' ? [target] : [])) : []
  const summary =
    capturedBy !== undefined && bases.length > 0
      ? `make ${snapshotName({ archiveId, capturedBy })} a base`
      : `remove ${snapshotName({ archiveId, capturedBy })}`
  await act.executeWithOptions({ summary }, [
    {
      ...{ archiveId, volumeId: volume.id, snapshotId },
      ...(capturedBy !== undefined && { capturedBy, bases, place: placeOf(capture) }),
    },
  ])
}

function placeOf(capture: Capture | null) {
  if (capture === null) return undefined
  const { volumeId, host, nameId } = capture.volume
  return { volumeId, host, nameId }
}
