import { proxyActivities } from '@temporalio/workflow'
import type { ControlActivities } from '../activities/control-activities.js'
import type { RunningArchive, VolumeState } from './messages.js'
import { putCopy, trimPoints } from './volume-state.js'

const activities = proxyActivities<Pick<ControlActivities, 'beginRebuild' | 'listCopies'>>({
  startToCloseTimeout: '10 minutes',
  heartbeatTimeout: '1 minute',
  retry: { initialInterval: '2 seconds', backoffCoefficient: 2, maximumInterval: '1 minute' },
})

/** The names of all targets, and the archives of this volume that run although nobody remembers them. */
export async function beginRebuild(volumeId: string): Promise<{ targets: string[]; running: RunningArchive[] }> {
  return activities.beginRebuild.executeWithOptions({ summary: `what is known of ${volumeId}` }, [{ volumeId }])
}

/** Reads a target's copies of the volume; asked again until it answers. */
export async function rebuildTarget(volumeId: string, target: string, state: VolumeState): Promise<void> {
  const copies = await activities.listCopies.executeWithOptions({ summary: `copies of ${volumeId} on ${target}` }, [
    { volumeId, target },
  ])
  for (const copy of copies) putCopy(state, copy)
  trimPoints(state)
  state.rebuilding = (state.rebuilding ?? []).filter((one) => one !== target)
}
