import {
  ActivityCancellationType,
  ApplicationFailure,
  isCancellation,
  proxyActivities,
  workflowInfo,
} from '@temporalio/workflow'
import type { ControlActivities } from '../activities/control-activities.js'
import type { Deferral } from '../activities/find-room.js'
import type { CaptureRequest } from '../activities/take-capture.js'
import type { Capture } from '../targets/target.js'
import { failureOf } from './failure-of.js'
import { freezeCapture, wantsFreeze } from './freeze-capture.js'
import type { ArchiveOutcome, ArchiveRequest, CapturedBy, Pace, TargetPlan } from './messages.js'
import { moversOf, nearActs } from './near-target.js'
import { showArchive } from './show-archive.js'

/** How long a mover may take to begin with a capture, in heartbeats: one that is restarted drains first. */
const captureTakenBeats = 15

/** A target that has no room for a copy now is not written to; when none has, nothing is captured. */
export async function takeCapture(request: ArchiveRequest, outcome: ArchiveOutcome): Promise<Capture> {
  const { archiveId, slot, volume, consistency, group, pace, capturedBy } = request
  const askedMovers = await askMovers(request, outcome)
  const left = request.targets.filter(({ target }) => outcomeOf(outcome, target)?.failure === null)
  const named = volume.name || volume.id
  const snapshot = left.some(({ force }) => !force)
  const summary = snapshot ? `${snapshotName(request)} of ${named}` : `look at ${named}`
  const archive = workflowInfo().workflowId
  const maxAgeSeconds = pace.captureMaxAgeSeconds
  const targets = left
    .filter(({ nearQueue }) => askedMovers === undefined || nearQueue === undefined)
    .map(({ target, force }) => ({ target, force }))
  let asked: CaptureRequest = {
    ...{ archiveId, archive, slot, group, volumeId: volume.id, consistency, maxAgeSeconds, snapshot, targets },
    ...(askedMovers !== undefined && { asked: askedMovers }),
    ...(capturedBy !== undefined && { capturedBy }),
  }
  if (wantsFreeze(request)) {
    const preparing = capturingActs(pace, capturedBy)
    const prepared = await preparing.prepareCapture.executeWithOptions({ summary: `prepare ${summary}` }, [asked])
    deferAll(outcome, prepared.deferred)
    asked = await freezeCapture(request, outcome, prepared, { ...asked, prepared: prepared.prepared }, (reason) => {
      showArchive(request, outcome, 'capturing', [reason])
    })
  }
  // one that Nova made is Cinder's, and not taken near the storage
  const acts = capturingActs(pace, asked.capturedBy)
  const { deferred = [], ...capture } = await acts.takeCapture.executeWithOptions({ summary }, [asked])
  deferAll(outcome, deferred)
  return capture
}

function capturingActs(pace: Pace, capturedBy: CapturedBy | undefined) {
  return proxyActivities<Pick<ControlActivities, 'prepareCapture' | 'takeCapture'>>({
    startToCloseTimeout: '10 minutes',
    scheduleToCloseTimeout: '30 minutes',
    heartbeatTimeout: `${pace.heartbeatSeconds} seconds`,
    retry: { initialInterval: '2 seconds', backoffCoefficient: 2, maximumInterval: '1 minute' },
    cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
    ...(capturedBy !== undefined && {
      taskQueue: capturedBy.queue,
      scheduleToStartTimeout: `${captureTakenBeats * pace.heartbeatSeconds} seconds`,
    }),
  })
}

/**
 * Whether there is room on targets that only movers reach; a mover that takes the snapshot itself looks then. One that
 * cannot be asked fails alone, and is not waited for with a snapshot in the tenant's way.
 * @returns undefined when nobody need be asked
 * @throws ApplicationFailure when no target is left
 */
async function askMovers(request: ArchiveRequest, outcome: ArchiveOutcome): Promise<CaptureRequest['asked']> {
  const near = request.targets.filter(({ nearQueue }) => nearQueue !== undefined)
  if (request.capturedBy !== undefined || near.length === 0) return undefined
  const queues = new Set(near.map(({ nearQueue }) => nearQueue))
  const answers = await Promise.all(
    [...queues].map(async (queue) =>
      findRoom(
        request,
        outcome,
        near.filter(({ nearQueue }) => nearQueue === queue),
        queue,
      ),
    ),
  )
  const deferred = answers.flat()
  deferAll(outcome, deferred)
  const [first] = outcome.targets
  if (first?.failure && outcome.targets.every(({ failure }) => failure !== null)) {
    const { code: type, message } = first.failure
    throw ApplicationFailure.create({ type, message, nonRetryable: true })
  }
  return { deferred, hasRoom: near.some(({ target }) => outcomeOf(outcome, target)?.failure === null) }
}

async function findRoom(
  { volume, pace }: ArchiveRequest,
  outcome: ArchiveOutcome,
  plans: TargetPlan[],
  queue: string | undefined,
): Promise<Deferral[]> {
  const targets = plans.map(({ target, force }) => ({ target, force }))
  const summary = `room on ${targets.map(({ target }) => target).join(', ')}`
  const acts = nearActs(moversOf(queue, pace), {
    startToCloseTimeout: '5 minutes',
    scheduleToCloseTimeout: '10 minutes',
    heartbeatTimeout: `${pace.heartbeatSeconds} seconds`,
    retry: { initialInterval: '2 seconds', backoffCoefficient: 2, maximumInterval: '1 minute' },
  })
  try {
    const archive = workflowInfo().workflowId
    return await acts.findRoom.executeWithOptions({ summary }, [{ volumeId: volume.id, archive, targets }])
  } catch (error) {
    if (isCancellation(error)) throw error
    for (const { target } of targets) {
      const mine = outcomeOf(outcome, target)
      if (mine !== undefined) mine.failure = failureOf(error)
    }
    return []
  }
}

function deferAll(outcome: ArchiveOutcome, deferred: Deferral[]): void {
  for (const { target, reason } of deferred) {
    const mine = outcomeOf(outcome, target)
    const message = `CK-DEFERRED  there is no room for a copy on ${target}: ${reason}`
    if (mine !== undefined) mine.failure = { code: 'CK-DEFERRED', message }
  }
}

function outcomeOf({ targets }: ArchiveOutcome, target: string) {
  return targets.find((one) => one.target === target)
}

/** As people see it in the UI. */
export function snapshotName({
  archiveId,
  capturedBy,
}: {
  archiveId: string
  capturedBy?: CapturedBy | undefined
}): string {
  return capturedBy === undefined
    ? `snapshot ck-${archiveId}`
    : `RBD snapshot backup.${archiveId}.snap.${capturedBy.seconds}`
}
