import { ActivityFailure, ApplicationFailure, proxyLocalActivities, rootCause } from '@temporalio/workflow'
import type { ControlActivities } from '../activities/control-activities.js'
import type { AssessRequest, Verdict } from './messages.js'
import type { VolumeState } from './volume-memory.js'

// local: the entity's own worker looks, without a hop through the server
const local = proxyLocalActivities<Pick<ControlActivities, 'assess'>>({
  startToCloseTimeout: '30 seconds',
  scheduleToCloseTimeout: '40 seconds',
  retry: { maximumAttempts: 3 },
})

/** What verdicts of older versions, which a replay reads again, do not say. */
const absentBefore: Partial<Verdict> = { rpoSeconds: null, nextAt: null, waitUntil: null }

/**
 * Asks what is due and notes what was seen. Decisions are made in an activity, so that a mended rule does not break
 * the replay of a workflow that lives for years.
 * @returns null when it could not be told (Cinder does not answer); the reason is noted
 */
export async function assess(state: VolumeState, request: AssessRequest): Promise<Verdict | null> {
  try {
    const verdict = { ...absentBefore, ...(await local.assess(request)) }
    state.lastReasons = verdict.reasons
    state.sourceGone = verdict.kind === 'gone'
    state.policy = verdict.policy
    state.rpoSeconds = verdict.rpoSeconds
    state.nextAt = verdict.nextAt
    state.protectedSince = verdict.policy === null ? null : (state.protectedSince ?? new Date(Date.now()).toISOString())
    state.name = verdict.volume?.name ?? state.name
    state.project = verdict.volume?.projectName ?? verdict.volume?.projectId ?? state.project
    return verdict
  } catch (error) {
    if (!(error instanceof ActivityFailure) && !(error instanceof ApplicationFailure)) throw error
    state.lastReasons = [`the volume could not be assessed: ${rootCause(error) ?? error.message}`]
    return null
  }
}
