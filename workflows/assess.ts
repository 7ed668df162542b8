import { ActivityFailure, ApplicationFailure, proxyActivities, rootCause } from '@temporalio/workflow'
// eslint-disable-next-line no-restricted-imports -- for runs of older versions alone
import { proxyLocalActivities } from '@temporalio/workflow'
import type { ControlActivities } from '../activities/control-activities.js'
import type { AssessRequest, Verdict } from './messages.js'
import type { VolumeState } from './volume-memory.js'

type Assessing = Pick<ControlActivities, 'assess'>

/** How a run has its volume assessed. */
export type AssessedBy = 'activity' | 'local activity'

const activity = proxyActivities<Assessing>({
  startToCloseTimeout: '30 seconds',
  // the workers may have much else to do
  scheduleToCloseTimeout: '10 minutes',
  retry: { maximumAttempts: 3 },
})
/**
 * Runs of older versions. When a query is answered while one is at work, its result is recorded in that workflow task, but
 * seen by the workflow in the next one, after the signals that came meanwhile; a replay sees it before them, and stops
 * there for ever (sdk-core 1.24, managed_run.rs: `have_pending_la_resolutions`). So nothing here uses them any more.
 */
const local = proxyLocalActivities<Assessing>({
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
export async function assess(state: VolumeState, request: AssessRequest, by: AssessedBy): Promise<Verdict | null> {
  try {
    const found = await (by === 'activity' ? activity : local).assess(request)
    const verdict = { ...absentBefore, ...found }
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
