import { activityInfo } from '@temporalio/activity'
import type { CopyContext, Target } from '../targets/target.js'
import { findTarget } from './find-target.js'
import { measured } from './measured.js'
import type { CopyDeps } from './move-activities.js'
import { throttleOf } from './throttle.js'
import { whileTold } from './while-told.js'

/**
 * Moves bytes to or from a target: measured, within its bandwidth, and, where we write ourselves, no longer than we are
 * believed to live. (What Cinder writes goes on without us: there a pause of Temporal's stops nothing.)
 */
export async function moving<T>(
  { targets, throttles, temporalAnswers }: CopyDeps,
  name: string,
  { signal: cancelled, report }: CopyContext,
  act: (target: Target, context: CopyContext) => Promise<T>,
): Promise<T> {
  const target = findTarget(targets, name)
  const timeoutMs = activityInfo().heartbeatTimeoutMs ?? 60_000
  const answers = target.reads === 'source' ? temporalAnswers : undefined
  return whileTold(answers, timeoutMs, cancelled, async (signal) =>
    act(target, { signal, report: measured(report), throttle: throttleOf(throttles, name, signal) }),
  )
}
