import {
  CancellationScope,
  getExternalWorkflowHandle,
  isCancellation,
  log,
  setHandler,
  workflowInfo,
} from '@temporalio/workflow'
import type { Capture, Copy, WrittenCopy } from '../targets/target.js'
import { permitOf } from './archive-permit.js'
import { type Brakes, watchBrakes } from './brakes.js'
import { concludeArchive } from './conclude-archive.js'
import { failureOf, hadEarlierAttempts, workerAway } from './failure-of.js'
import { noGroup } from './freeze-capture.js'
import type { ArchiveOutcome, ArchiveRequest, TargetOutcome, TargetPlan } from './messages.js'
import { copyChangedSignal, laneFreedSignal, outcomeQuery } from './messages.js'
import { moveActivities } from './move-activities.js'
import { finishing, moversOf, nearTarget } from './near-target.js'
import { releaseArchive } from './release-archive.js'
import { clearAway } from './remove-temporaries.js'
import { showArchive } from './show-archive.js'
import { takeCapture } from './take-capture.js'
import { unproven } from './unproven.js'

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
    const granted = async () =>
      permit.grant((reasons) => {
        showArchive(request, outcome, 'waiting', reasons)
      })
    // those of one server are captured together, and may be more than are permitted at once
    const isOfServer = request.server !== undefined
    if (!isOfServer) await granted()
    const targets = request.targets.map(({ target }) => target)
    await brakes.safePoint(targets, (reasons) => {
      showArchive(request, outcome, 'paused', reasons)
    })
    begun = true
    showArchive(request, outcome, 'capturing')
    const capture = (outcome.capture ??= await takeCapture(request, outcome))
    await beforeTooOld(request, outcome, async () => {
      if (isOfServer) await granted()
      await copyToAll(request, outcome, brakes, capture)
    })
  } catch (error) {
    for (const target of outcome.targets) target.failure ??= failureOf(error)
    isUnclear = outcome.capture === null && mayAppearLater(error)
    if (isCancellation(error)) throw error
  } finally {
    isUnclear ||= mayHaveMade(outcome)
    await CancellationScope.nonCancellable(() =>
      begun ? releaseArchive(request, outcome, permit, isUnclear) : permit.release(),
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

/** After these it is not known what was done. */
const unclearCodes = ['CK-CANCELLED', 'CK-TIMED-OUT', 'CK-CLOUD-ANSWER-LOST']

/** Whether something was asked for under a freeze, or is by its server's workflow, of which nothing was heard. */
function mayHaveMade({ freezing = [] }: ArchiveOutcome): boolean {
  const unclear = [...unclearCodes, 'CK-UNEXPECTED', noGroup]
  return freezing.some((reason) => unclear.some((code) => reason.startsWith(code)))
}

/** Whether a snapshot may have been asked for without our knowing what became of it. */
function mayAppearLater(error: unknown): boolean {
  return [...unclearCodes, workerAway].includes(failureOf(error).code) || hadEarlierAttempts(error)
}
