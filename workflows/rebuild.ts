import { patched, proxyActivities } from '@temporalio/workflow'
import type { ControlActivities } from '../activities/control-activities.js'
import type { RunningArchive, VolumeState } from './volume-memory.js'
import { failureOf } from './failure-of.js'
import { findMovers, nearTarget } from './near-target.js'
import { replaceCopies } from './volume-points.js'

const options = {
  startToCloseTimeout: '10 minutes',
  heartbeatTimeout: '1 minute',
  retry: { initialInterval: '2 seconds', backoffCoefficient: 2, maximumInterval: '1 minute' },
} as const
const activities = proxyActivities<Pick<ControlActivities, 'beginRebuild'>>(options)
/** Runs that began before there were targets that only movers reach asked the control worker. */
const here = { queue: null, heartbeatSeconds: 60 }

/**
 * The names of all targets, the archives of this volume that run although nobody remembers them, and those that were
 * terminated and so could not clean up.
 */
export async function beginRebuild(
  volumeId: string,
): Promise<{ targets: string[]; running: RunningArchive[]; terminated: RunningArchive[] }> {
  return activities.beginRebuild.executeWithOptions({ summary: `what is known of ${volumeId}` }, [{ volumeId }])
}

/**
 * Reads a target's copies of the volume; asked again until it answers, or is configured no more.
 * @param tell is called when it is known why it does not answer
 */
export async function rebuildTarget(
  volumeId: string,
  target: string,
  state: VolumeState,
  tell: () => void,
): Promise<void> {
  const summary = `copies of ${volumeId} on ${target}`
  try {
    const movers = patched('near-targets') ? ((await findMovers({ targets: [target] }))[target] ?? here) : here
    const copies = await nearTarget(
      { target, movers, options },
      async (acts) => acts.listCopies.executeWithOptions({ summary }, [{ volumeId, target }]),
      (reason) => {
        state.silent = { ...state.silent, [target]: reason }
        tell()
      },
    )
    replaceCopies(state, target, copies)
  } catch (error) {
    // nothing can be written to it either
    if (failureOf(error).code !== 'CK-TARGET-UNKNOWN') throw error
  }
  state.silent = Object.fromEntries(Object.entries(state.silent).filter(([one]) => one !== target))
  state.rebuilding = (state.rebuilding ?? []).filter((one) => one !== target)
}
