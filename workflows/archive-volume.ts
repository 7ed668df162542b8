import {
  CancellationScope,
  getExternalWorkflowHandle,
  isCancellation,
  log,
  proxyActivities,
  setHandler,
  sleep,
  workflowInfo,
} from '@temporalio/workflow'
import type { ControlActivities } from '../activities/control-activities.js'
import type { Capture, Copy, WrittenCopy } from '../targets/target.js'
import { type ArchivePermit, permitOf } from './archive-permit.js'
import { type Brakes, watchBrakes } from './brakes.js'
import { concludeArchive } from './conclude-archive.js'
import { failureOf, hadEarlierAttempts, workerAway } from './failure-of.js'
import type { ArchiveOutcome, ArchiveRequest, TargetOutcome, TargetPlan } from './messages.js'
import { copiedSignal, copyChangedSignal, laneFreedSignal, outcomeQuery } from './messages.js'
import { moveActivities } from './move-activities.js'
import { finishing, moversOf, nearTarget } from './near-target.js'
import { removeSoon, removeTemporaries } from './remove-temporaries.js'
import { unclearFor } from './unclear-for.js'
import { showArchive } from './show-archive.js'
import { snapshotName, takeCapture } from './take-capture.js'
import { unproven } from './unproven.js'

const releasing = {
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
 * One recovery point: permit → capture → write → verify on every target side by side → release. Every name it uses comes
 * from its input, so that a retry, another worker and a reset find what an earlier one made. A brake stops it before it
 * captures, and between writing and reading back.
 * @returns what became of each target
 * @throws ApplicationFailure `CK-ARCHIVE-FAILED` with that outcome as its detail when a target got no good copy
 */
export async function archiveVolume(request: ArchiveRequest): Promise<ArchiveOutcome> {
  const outcome = newOutcome(request)
  setHandler(outcomeQuery, () => outcome)
  const brakes = watchBrakes(request)
  const permit = permitOf(request, brakes)
  /** Whether there may be anything to remove. */
  let begun = request.capture !== null
  let isUnclear = false
  try {
    await permit.grant((reasons) => {
      showArchive(request, outcome, 'waiting', reasons)
    })
    const targets = request.targets.map(({ target }) => target)
    await brakes.safePoint(targets, (reasons) => {
      showArchive(request, outcome, 'paused', reasons)
    })
    begun = true
    showArchive(request, outcome, 'capturing')
    const capture = (outcome.capture ??= await takeCapture(request, outcome))
    await beforeTooOld(request, outcome, () => copyToAll(request, outcome, brakes, capture))
  } catch (error) {
    for (const target of outcome.targets) target.failure ??= failureOf(error)
    isUnclear = outcome.capture === null && mayAppearLater(error)
    if (isCancellation(error)) throw error
  } finally {
    await CancellationScope.nonCancellable(() =>
      begun ? release(request, outcome, permit, isUnclear) : permit.release(),
    )
  }
  return concludeArchive(request, outcome)
}

function newOutcome({ archiveId, slot, capture, targets }: ArchiveRequest): ArchiveOutcome {
  const archive = workflowInfo().workflowId
  return {
    archive,
    archiveId,
    slot,
    capture,
    targets: targets.map(({ target }) => ({ target, copy: null, failure: null })),
  }
}

/** A snapshot is in the tenant's way: at its maximum age it goes, and what is unfinished is tried again later. */
async function beforeTooOld(
  request: ArchiveRequest,
  outcome: ArchiveOutcome,
  work: () => Promise<void>,
): Promise<void> {
  const { captureMaxAgeSeconds } = request.pace
  try {
    await CancellationScope.withTimeout(captureMaxAgeSeconds * 1000, work)
  } catch (error) {
    if (!isCancellation(error) || CancellationScope.current().consideredCancelled) throw error
    const message = `CK-CAPTURE-TOO-OLD  not done within ${captureMaxAgeSeconds} s, the capture's maximum age`
    for (const target of outcome.targets) {
      if (target.copy?.state === 'verified' || target.failure !== null) continue
      target.failure = { code: 'CK-CAPTURE-TOO-OLD', message }
      if (target.copy?.state === 'unverified') target.copy = { ...target.copy, reason: target.copy.reason ?? message }
    }
  }
}

async function copyToAll(
  request: ArchiveRequest,
  outcome: ArchiveOutcome,
  brakes: Brakes,
  capture: Capture,
): Promise<void> {
  showArchive(request, outcome, 'writing')
  const all = await Promise.allSettled(
    request.targets.map(async (plan, i) => {
      const mine = outcome.targets[i]
      if (mine !== undefined) await copyTo(request, outcome, brakes, plan, mine, capture)
    }),
  )
  // nothing is cleaned up before every writer has stopped
  for (const one of all) if (one.status === 'rejected') throw one.reason
}

/** One target's failure is its own: the others go on. */
async function copyTo(
  request: ArchiveRequest,
  outcome: ArchiveOutcome,
  brakes: Brakes,
  plan: TargetPlan,
  mine: TargetOutcome,
  capture: Capture,
): Promise<void> {
  if (mine.failure !== null) return freeLane(request, plan.target)
  try {
    const { suspects = [], ...copy } = await writeCopy(request, plan, capture)
    mine.copy = copy
    await tellChanged(request, suspects)
    await freeLane(request, plan.target)
    await brakes.safePoint([plan.target], (reasons) => {
      showArchive(request, outcome, 'paused', reasons)
    })
    showArchive(request, outcome, 'verifying')
    mine.copy = await verifyCopy(request, plan, mine.copy, capture, (reason) => {
      showArchive(request, outcome, 'verifying', [reason])
    })
    mine.failure = unproven(mine.copy)
  } catch (error) {
    if (isCancellation(error)) throw error
    mine.failure = failureOf(error)
    if (mine.copy === null) await giveUp(request, outcome, plan)
    else mine.copy = { ...mine.copy, reason: mine.failure.message }
  }
  showArchive(request, outcome, 'verifying')
}

/** A target that could not be written to need not wait for the others: its next archive may begin. */
async function giveUp(request: ArchiveRequest, outcome: ArchiveOutcome, plan: TargetPlan): Promise<void> {
  await clearAway(request, plan, (reason) => {
    showArchive(request, outcome, 'writing', [reason])
  })
  await freeLane(request, plan.target)
}

async function writeCopy({ volume, pace }: ArchiveRequest, plan: TargetPlan, capture: Capture): Promise<WrittenCopy> {
  const { target, force } = plan
  return moveActivities(plan.writeQueue, pace).writeCopy.executeWithOptions(
    { summary: `copy ${volume.name || volume.id} to ${target}` },
    [{ target, capture, base: null, force }],
  )
}

/** Reads the copy back, and writes the verdict on the target itself, where a rebuild will look for it. */
async function verifyCopy(
  request: ArchiveRequest,
  plan: TargetPlan,
  copy: Copy,
  capture: Capture,
  tell: (reason: string) => void,
): Promise<Copy> {
  const { volume, pace } = request
  const { target } = plan
  const summary = `read back ${volume.name || volume.id} from ${target}`
  const move = moveActivities(plan.verifyQueue, pace)
  const { state, rootHash, hashedBytes, reason } = await move.verifyCopy.executeWithOptions({ summary }, [
    { target, copy, capture },
  ])
  const verifiedAt = state === 'verified' ? new Date(Date.now()).toISOString() : null
  const mark = { state, rootHash, hashedBytes, verifiedAt, reason }
  const near = { target, movers: moversOf(plan.nearQueue, pace), options: finishing }
  const marking = { summary: `write “${state}” on the copy on ${target}` }
  // what was found out, damage above all, is not forgotten because the archive is cancelled now
  return CancellationScope.nonCancellable(async () =>
    nearTarget(near, async (acts) => acts.markCopy.executeWithOptions(marking, [{ target, copy, mark }]), tell),
  )
}

/** What counts as verified must not be what was found out not to be. */
async function tellChanged({ entity }: ArchiveRequest, copies: Copy[]): Promise<void> {
  if (entity === null) return
  for (const copy of copies) {
    try {
      await getExternalWorkflowHandle(entity).signal(copyChangedSignal, copy)
    } catch (error) {
      if (isCancellation(error)) throw error
      log.info('nobody wants to know of the copy', { entity, point: copy.point })
    }
  }
}

/** The lane's holder is told at once; one that is gone will find the copy on the target. */
async function freeLane({ entity }: ArchiveRequest, target: string): Promise<void> {
  if (entity === null) return
  const archive = workflowInfo().workflowId
  try {
    await getExternalWorkflowHandle(entity).signal(laneFreedSignal, { archive, target })
  } catch (error) {
    if (isCancellation(error)) throw error
    log.info('nobody holds the lane any more', { entity, target })
  }
}

/**
 * Removes what the archive made beside finished copies, and returns when it is gone. A snapshot cannot go before its
 * clones, and one that was asked for without an answer may appear later. The permit goes when everything is removed, or
 * something that is not ours keeps it from that.
 */
async function release(
  request: ArchiveRequest,
  outcome: ArchiveOutcome,
  permit: ArchivePermit,
  isUnclear: boolean,
): Promise<void> {
  showArchive(request, outcome, 'releasing')
  if (isUnclear) await sleep(unclearFor)
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

/** Whether a snapshot may have been asked for without our knowing what became of it. */
function mayAppearLater(error: unknown): boolean {
  const unclear = ['CK-CANCELLED', 'CK-TIMED-OUT', workerAway, 'CK-CLOUD-ANSWER-LOST']
  return unclear.includes(failureOf(error).code) || hadEarlierAttempts(error)
}

async function clearAway(
  { archiveId, volume, pace }: ArchiveRequest,
  { target, nearQueue }: TargetPlan,
  tell: (reason: string) => void,
): Promise<void> {
  const movers = moversOf(nearQueue, pace)
  await removeTemporaries({ archiveId, volumeId: volume.id }, { target, movers }, tell)
}

/** An RBD snapshot of which a copy was verified stays, as the base of the target's next copy. */
async function releaseCapture(
  request: ArchiveRequest,
  { capture, targets }: ArchiveOutcome,
  patienceMinutes: number,
): Promise<void> {
  const { archiveId, volume, capturedBy } = request
  const snapshotId = capture?.snapshotId ?? null
  const patience = Math.max(patienceMinutes * 60, 5 * request.pace.heartbeatSeconds)
  const { releaseCapture: act } = proxyActivities<Pick<ControlActivities, 'releaseCapture'>>({
    ...releasing,
    ...(capturedBy !== undefined && { taskQueue: capturedBy.queue, scheduleToStartTimeout: `${patience} seconds` }),
  })
  const bases = targets.flatMap(({ target, copy }) => (copy?.state === 'verified' ? [target] : []))
  const summary =
    capturedBy !== undefined && bases.length > 0
      ? `make ${snapshotName(request)} a base`
      : `remove ${snapshotName(request)}`
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
