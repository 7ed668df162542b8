import { ActivityFailure, ApplicationFailure, proxyLocalActivities, rootCause } from '@temporalio/workflow'
import type { ControlActivities } from '../activities/control-activities.js'
import type { AssessRequest, Verdict, VolumeState } from './messages.js'

// local: the entity's own worker looks, without a hop through the server
const local = proxyLocalActivities<Pick<ControlActivities, 'assess'>>({
  startToCloseTimeout: '30 seconds',
  scheduleToCloseTimeout: '40 seconds',
  retry: { maximumAttempts: 3 },
})

/**
 * Asks what is due and notes what was seen. Decisions are made in an activity, so that a mended rule does not break
 * the replay of a workflow that lives for years.
 * @returns null when it could not be told (Cinder does not answer); the reason is noted
 */
export async function assess(state: VolumeState, request: AssessRequest): Promise<Verdict | null> {
  try {
    const verdict = await local.assess(request)
    state.lastReasons = verdict.reasons
    state.sourceGone = verdict.kind === 'gone'
    state.policy = verdict.policy
    state.name = verdict.volume?.name ?? state.name
    state.project = verdict.volume?.projectName ?? verdict.volume?.projectId ?? state.project
    return verdict
  } catch (error) {
    if (!(error instanceof ActivityFailure) && !(error instanceof ApplicationFailure)) throw error
    state.lastReasons = [`the volume could not be assessed: ${rootCause(error) ?? error.message}`]
    return null
  }
}
