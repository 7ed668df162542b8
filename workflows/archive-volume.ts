import {
  ActivityCancellationType,
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
import type { Capture, Copy } from '../targets/target.js'
import { type ArchivePermit, permitOf } from './archive-permit.js'
import { type Brakes, watchBrakes } from './brakes.js'
import { concludeArchive } from './conclude-archive.js'
import { failureOf } from './failure-of.js'
import type { ArchiveOutcome, ArchiveRequest, TargetOutcome, TargetPlan } from './messages.js'
import { laneFreedSignal, outcomeQuery } from './messages.js'
import { moveActivities } from './move-activities.js'
import { showArchive } from './show-archive.js'
import { unproven } from './unproven.js'

// what we made is removed, and what we found out is written down, however long it takes: no cap
const finishing = proxyActivities<Pick<ControlActivities, 'removeTemporaries' | 'markCopy'>>({
  startToCloseTimeout: '30 minutes',
  heartbeatTimeout: '30 seconds',
  retry: { initialInterval: '2 seconds', backoffCoefficient: 2, maximumInterval: '5 minutes' },
})

const releasing = proxyActivities<Pick<ControlActivities, 'releaseCapture'>>({
  startToCloseTimeout: '30 minutes',
  heartbeatTimeout: '30 seconds',
  // a clone that came late holds the snapshot: then temporaries are removed again
  retry: { initialInterval: '2 seconds', backoffCoefficient: 2, maximumAttempts: 5 },
})

/** A request whose answer was lost may still be carried out this much later (proxies give up after a minute). */
const unclearFor = '2 minutes'
/** How long to wait before asking again for what cannot be removed yet. */
const releasePause = '1 minute'

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
    if (isCancellation(error)) throw error
  } finally {
    await CancellationScope.nonCancellable(() => (begun ? release(request, outcome, permit) : permit.release()))
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

/** A target that has no room for a copy now is not written to; when none has, nothing is captured. */
async function takeCapture(request: ArchiveRequest, outcome: ArchiveOutcome): Promise<Capture> {
  const { archiveId, slot, volume, consistency, group, pace } = request
  const named = volume.name || volume.id
  const snapshot = request.targets.some(({ force }) => !force)
  const summary = snapshot ? `snapshot ck-${archiveId} of ${named}` : `look at ${named}`
  const archive = workflowInfo().workflowId
  const maxAgeSeconds = pace.captureMaxAgeSeconds
  const capturing = proxyActivities<Pick<ControlActivities, 'takeCapture'>>({
    startToCloseTimeout: '10 minutes',
    scheduleToCloseTimeout: '30 minutes',
    heartbeatTimeout: `${pace.heartbeatSeconds} seconds`,
    retry: { initialInterval: '2 seconds', backoffCoefficient: 2, maximumInterval: '1 minute' },
    cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
  })
  const targets = request.targets.map(({ target, force }) => ({ target, force }))
  const { deferred = [], ...capture } = await capturing.takeCapture.executeWithOptions({ summary }, [
    { archiveId, archive, slot, group, volumeId: volume.id, consistency, maxAgeSeconds, snapshot, targets },
  ])
  for (const { target, reason } of deferred) {
    const mine = outcome.targets.find((one) => one.target === target)
    const message = `CK-DEFERRED  there is no room for a copy on ${target}: ${reason}`
    if (mine !== undefined) mine.failure = { code: 'CK-DEFERRED', message }
  }
  return capture
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
      if (target.copy?.state !== 'verified') target.failure ??= { code: 'CK-CAPTURE-TOO-OLD', message }
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
    mine.copy = await writeCopy(request, plan, capture)
    await freeLane(request, plan.target)
    await brakes.safePoint([plan.target], (reasons) => {
      showArchive(request, outcome, 'paused', reasons)
    })
    showArchive(request, outcome, 'verifying')
    mine.copy = await verifyCopy(request, plan, mine.copy, capture)
    mine.failure = unproven(mine.copy)
  } catch (error) {
    if (isCancellation(error)) throw error
    mine.failure = failureOf(error)
    if (mine.copy === null) await giveUp(request, plan)
    else mine.copy = { ...mine.copy, reason: mine.failure.message }
  }
  showArchive(request, outcome, 'verifying')
}

/** A target that could not be written to need not wait for the others: its next archive may begin. */
async function giveUp(request: ArchiveRequest, { target }: TargetPlan): Promise<void> {
  await removeTemporaries(request, target)
  await freeLane(request, target)
}

async function writeCopy({ volume, pace }: ArchiveRequest, plan: TargetPlan, capture: Capture): Promise<Copy> {
  const { target, force } = plan
  return moveActivities(plan.writeQueue, pace).writeCopy.executeWithOptions(
    { summary: `copy ${volume.name || volume.id} to ${target}` },
    [{ target, capture, base: null, force }],
  )
}

/** Reads the copy back, and writes the verdict on the target itself, where a rebuild will look for it. */
async function verifyCopy(request: ArchiveRequest, plan: TargetPlan, copy: Copy, capture: Capture): Promise<Copy> {
  const { volume, pace } = request
  const summary = `read back ${volume.name || volume.id} from ${plan.target}`
  const move = moveActivities(plan.verifyQueue, pace)
  const { state, rootHash, reason } = await move.verifyCopy.executeWithOptions({ summary }, [
    { target: plan.target, copy, capture },
  ])
  const verifiedAt = state === 'verified' ? new Date(Date.now()).toISOString() : null
  return finishing.markCopy.executeWithOptions({ summary: `write “${state}” on the copy on ${plan.target}` }, [
    { target: plan.target, copy, mark: { state, rootHash, verifiedAt, reason } },
  ])
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
async function release(request: ArchiveRequest, outcome: ArchiveOutcome, permit: ArchivePermit): Promise<void> {
  showArchive(request, outcome, 'releasing')
  if (outcome.capture === null && mayAppearLater(outcome)) await sleep(unclearFor)
  for (let tries = 1; ; tries += 1) {
    await Promise.all(request.targets.map(async ({ target }) => removeTemporaries(request, target)))
    const failure = await releaseCapture(request, outcome).catch(failureOf)
    if (tries === 1) await permit.release()
    if (failure === undefined) return
    log.warn('the capture cannot be released yet', { reason: failure.message })
    await sleep(releasePause)
  }
}

/** Whether a snapshot may have been asked for without our knowing what became of it. */
function mayAppearLater({ targets }: ArchiveOutcome): boolean {
  const unclear = ['CK-CANCELLED', 'CK-TIMED-OUT', 'CK-CLOUD-ANSWER-LOST']
  return targets.some(({ failure }) => failure !== null && unclear.includes(failure.code))
}

async function removeTemporaries({ archiveId, volume }: ArchiveRequest, target: string): Promise<void> {
  const summary = `remove temporaries on ${target}`
  try {
    await finishing.removeTemporaries.executeWithOptions({ summary }, [{ target, archiveId, volumeId: volume.id }])
  } catch (error) {
    // a target that was taken out of the configuration meanwhile has nobody to ask; its capture is released all the same
    if (failureOf(error).code !== 'CK-TARGET-UNKNOWN') throw error
    log.warn('temporaries may be left of a target that is configured no more', { target })
  }
}

async function releaseCapture({ archiveId, volume }: ArchiveRequest, { capture }: ArchiveOutcome): Promise<undefined> {
  const summary = `remove snapshot ck-${archiveId}`
  const snapshotId = capture?.snapshotId ?? null
  await releasing.releaseCapture.executeWithOptions({ summary }, [{ archiveId, volumeId: volume.id, snapshotId }])
  return undefined
}
