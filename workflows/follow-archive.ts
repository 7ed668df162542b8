import { log, proxyActivities, sleep } from '@temporalio/workflow'
import type { ControlActivities } from '../activities/control-activities.js'
import type { MoveActivities } from '../activities/move-activities.js'
import type { ArchiveOutcome } from './messages.js'
import type { RunningArchive } from './volume-memory.js'
import type { ArchiveHandle } from './start-archive.js'
import { unclearFor } from './unclear-for.js'

const polling = proxyActivities<Pick<ControlActivities, 'awaitArchive'>>({
  startToCloseTimeout: '30 seconds',
  // asks once a minute for as long as it takes; retries leave no events in the history
  retry: { initialInterval: '1 minute', backoffCoefficient: 1 },
})
const cleaning = {
  startToCloseTimeout: '30 minutes',
  heartbeatTimeout: '1 minute',
  retry: { initialInterval: '5 seconds', backoffCoefficient: 2, maximumInterval: '10 minutes' },
} as const
/** A tenant's clone may hold a snapshot for years; the lane waits for it no longer than this. */
const soonCleaning = { ...cleaning, retry: { ...cleaning.retry, maximumAttempts: 4 } } as const
/** Nor for a mover. */
const soonTaken = { scheduleToStartTimeout: '5 minutes' } as const

/** How an archive ended. */
export interface ArchiveEnd {
  outcome: ArchiveOutcome | null
  /** Why it gave no (whole) outcome; for people. */
  failure: string | null
  /** Whether another try makes sense: not after a person cancelled it. */
  retry: boolean
  /** A person cancelled it. */
  isCancelled: boolean
  /** False when something of it may be left, or appear later: it is a leftover. */
  isUndone: boolean
}

/**
 * Waits for an archive's end. The child handle of this run answers first; when it says anything but success, or in a
 * later run, the server is asked: a reset archive looks terminated to its parent while it goes on under the same id.
 * What a terminated one left is removed by name, now and, as a leftover, again when nothing more can appear.
 */
export async function followArchive(
  volumeId: string,
  archive: RunningArchive,
  handle: ArchiveHandle | null,
): Promise<ArchiveEnd> {
  // a handle that says anything but success is not believed: the server knows what became of the archive
  const outcome = await handle?.result().catch(() => null)
  if (outcome) return { outcome, failure: null, retry: true, isCancelled: false, isUndone: true }
  const end = await polling.awaitArchive.executeWithOptions({ summary: `the end of ${archive.archive}` }, [
    { archive: archive.archive },
  ])
  // a failed one without an outcome never came to its own cleanup
  if (end.outcome !== null && (end.status === 'completed' || end.status === 'failed')) {
    return { outcome: end.outcome, failure: end.failure, retry: true, isCancelled: false, isUndone: true }
  }
  // a cancelled one waited for its own requests; of one that was stopped dead something may appear later
  const isCancelled = end.status === 'cancelled'
  const isUndone = (await undoSoon(volumeId, archive)) && isCancelled
  const retry = end.status === 'terminated' || end.status === 'failed'
  return { outcome: end.outcome, failure: end.failure, retry, isCancelled, isUndone }
}

async function undoSoon(volumeId: string, archive: RunningArchive): Promise<boolean> {
  try {
    await undo(soonCleaning, volumeId, archive)
    return true
  } catch (error) {
    log.warn('what an archive left cannot be removed yet', { archive: archive.archive, error })
    return false
  }
}

/** Removes what an archive left for as long as it takes, and looks again for what it had asked for before its end. */
export async function undoLeftover(volumeId: string, archive: RunningArchive): Promise<void> {
  await undo(cleaning, volumeId, archive)
  await sleep(unclearFor)
  await undo(cleaning, volumeId, archive)
}

/**
 * Removes by name what an archive left that could not clean up itself. Its acts learn of its end by their heartbeats:
 * until then they may still be making something.
 */
async function undo(
  options: typeof cleaning | typeof soonCleaning,
  volumeId: string,
  archive: RunningArchive,
): Promise<void> {
  const { archiveId, targets, heartbeatSeconds, mayFreeze } = archive
  await sleep((heartbeatSeconds + 10) * 1000)
  const summary = `what ${archive.archive} left`
  const acts = proxyActivities<Pick<ControlActivities, 'undoArchive'>>(options)
  const left = await acts.undoArchive.executeWithOptions({ summary }, [
    { volumeId, archiveId, targets, ...(mayFreeze && { mayFreeze }) },
  ])
  const near = options === soonCleaning ? { ...options, ...soonTaken } : options
  // of older versions, which did everything themselves, nothing is left
  for (const [target, taskQueue] of Object.entries((left as typeof left | null | undefined) ?? {})) {
    const { removeTemporaries } = proxyActivities<Pick<MoveActivities, 'removeTemporaries'>>({ ...near, taskQueue })
    await removeTemporaries.executeWithOptions({ summary: `${summary} on ${target}` }, [
      { target, archiveId, volumeId },
    ])
  }
  const { capturedBy } = archive
  if (capturedBy === undefined) return
  const { releaseCapture } = proxyActivities<Pick<MoveActivities, 'releaseCapture'>>({
    ...near,
    taskQueue: capturedBy.queue,
  })
  await releaseCapture.executeWithOptions({ summary: `RBD snapshot of ${archive.archive}` }, [
    { archiveId, volumeId, snapshotId: null, capturedBy },
  ])
}
