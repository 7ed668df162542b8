import type { WorkflowClient } from '@temporalio/client'
import { WorkflowNotFoundError } from '@temporalio/client'
import { setTimeout as sleep } from 'node:timers/promises'
import { CodedError } from '../errors/coded-error.js'
import { permitsWorkflowId } from '../workflows/messages.js'
import { pausedMemo } from '../workflows/permit-messages.js'

/** How long an answer holds: archives that are planned meanwhile are told of a new pause by `tellBrakes`. */
const cachedMs = 3000

/**
 * Which scopes are paused. Read from the memo of `permits/all`, which needs no worker's answer; none when nobody ever
 * asked for a permit or paused anything. Where Temporal does not answer the question fails, and with it what would
 * have been begun.
 */
export function pausedScopes(workflows: WorkflowClient, now = () => performance.now()): () => Promise<string[]> {
  let last: { at: number; answer: Promise<string[]> } | null = null
  return async () => {
    if (last === null || now() - last.at > cachedMs) {
      const asked = { at: now(), answer: read(workflows) }
      last = asked
      // the next to ask tries again
      asked.answer.catch(() => {
        if (last === asked) last = null
      })
    }
    return last.answer
  }
}

async function read(workflows: WorkflowClient): Promise<string[]> {
  for (let looks = 0; looks < 40; looks += 1) {
    const paused = await pausedNow(workflows)
    if (paused !== null) return paused
    await sleep(250)
  }
  throw new CodedError('CK-PERMITS-UNKNOWN', 'what is paused is not known: permits/all still asks which archives run', {
    cure: 'Look at the workflow permits/all in the Temporal UI. It is tried again.',
  })
}

/** null: a run that somebody just started has not yet found out what the one before had paused. */
async function pausedNow(workflows: WorkflowClient): Promise<string[] | null> {
  try {
    const { memo } = await workflows.getHandle(permitsWorkflowId).describe()
    const paused = memo?.[pausedMemo]
    return typeof paused === 'object' && paused !== null ? Object.keys(paused) : null
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return []
    throw error
  }
}
