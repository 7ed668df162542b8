import { ActivityCancellationType, proxyActivities, workflowInfo } from '@temporalio/workflow'
import type { ControlActivities } from '../activities/control-activities.js'
import type { Capture } from '../targets/target.js'
import type { ArchiveOutcome, ArchiveRequest } from './messages.js'

/** A target that has no room for a copy now is not written to; when none has, nothing is captured. */
export async function takeCapture(request: ArchiveRequest, outcome: ArchiveOutcome): Promise<Capture> {
  const { archiveId, slot, volume, consistency, group, pace, capturedBy } = request
  const named = volume.name || volume.id
  const snapshot = request.targets.some(({ force }) => !force)
  const summary = snapshot ? `${snapshotName(request)} of ${named}` : `look at ${named}`
  const archive = workflowInfo().workflowId
  const maxAgeSeconds = pace.captureMaxAgeSeconds
  const capturing = proxyActivities<Pick<ControlActivities, 'takeCapture'>>({
    startToCloseTimeout: '10 minutes',
    scheduleToCloseTimeout: '30 minutes',
    heartbeatTimeout: `${pace.heartbeatSeconds} seconds`,
    retry: { initialInterval: '2 seconds', backoffCoefficient: 2, maximumInterval: '1 minute' },
    cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
    ...(capturedBy !== undefined && { taskQueue: capturedBy.queue }),
  })
  const targets = request.targets.map(({ target, force }) => ({ target, force }))
  const { deferred = [], ...capture } = await capturing.takeCapture.executeWithOptions({ summary }, [
    {
      ...{ archiveId, archive, slot, group, volumeId: volume.id, consistency, maxAgeSeconds, snapshot, targets },
      ...(capturedBy !== undefined && { capturedBy }),
    },
  ])
  for (const { target, reason } of deferred) {
    const mine = outcome.targets.find((one) => one.target === target)
    const message = `CK-DEFERRED  there is no room for a copy on ${target}: ${reason}`
    if (mine !== undefined) mine.failure = { code: 'CK-DEFERRED', message }
  }
  return capture
}

/** As people see it in the UI. */
export function snapshotName({ archiveId, capturedBy }: ArchiveRequest): string {
  return capturedBy === undefined
    ? `snapshot ck-${archiveId}`
    : `RBD snapshot backup.${archiveId}.snap.${capturedBy.seconds}`
}
