import { proxyActivities } from '@temporalio/workflow'
import type { ControlActivities } from '../activities/control-activities.js'
import type { RunningArchive, VolumeState } from './volume-memory.js'
import { failureOf } from './failure-of.js'
import { replaceCopies } from './volume-points.js'

const activities = proxyActivities<Pick<ControlActivities, 'beginRebuild' | 'listCopies'>>({
  startToCloseTimeout: '10 minutes',
  heartbeatTimeout: '1 minute',
  retry: { initialInterval: '2 seconds', backoffCoefficient: 2, maximumInterval: '1 minute' },
})

/**
 * The names of all targets, the archives of this volume that run although nobody remembers them, and those that were
 * terminated and so could not clean up.
 */
export async function beginRebuild(
  volumeId: string,
): Promise<{ targets: string[]; running: RunningArchive[]; terminated: RunningArchive[] }> {
  return activities.beginRebuild.executeWithOptions({ summary: `what is known of ${volumeId}` }, [{ volumeId }])
}

/** Reads a target's copies of the volume; asked again until it answers, or is configured no more. */
export async function rebuildTarget(volumeId: string, target: string, state: VolumeState): Promise<void> {
  try {
    const summary = `copies of ${volumeId} on ${target}`
    replaceCopies(state, target, await activities.listCopies.executeWithOptions({ summary }, [{ volumeId, target }]))
  } catch (error) {
    // nothing can be written to it either
    if (failureOf(error).code !== 'CK-TARGET-UNKNOWN') throw error
  }
  state.rebuilding = (state.rebuilding ?? []).filter((one) => one !== target)
}
