import { WorkflowFailedError, WorkflowNotFoundError } from '@temporalio/client'
import { ApplicationFailure } from '@temporalio/common'
import type { ArchiveOutcome } from '../workflows/messages.js'
import { archiveFailedType } from '../workflows/messages.js'
import type { Deps } from './control-activities.js'

/** How an archive ended, as the server tells it. */
export interface ArchiveEndSeen {
  /** `terminated`: also timed out. `gone`: the server does not know it (any more). */
  status: 'completed' | 'failed' | 'cancelled' | 'terminated' | 'gone'
  outcome: ArchiveOutcome | null
  failure: string | null
}

/**
 * Answers when the archive has ended; until then it throws a failure that is to be tried again. Describing by id sees
 * the newest run: one that was reset goes on.
 */
export function awaitArchive({ workflows }: Deps) {
  return async ({ archive }: { archive: string }): Promise<ArchiveEndSeen> => {
    const handle = workflows.getHandle(archive)
    try {
      const { status } = await handle.describe()
      if (status.name === 'RUNNING' || status.name === 'PAUSED') throw stillRunning(archive)
      if (status.name === 'COMPLETED') {
        return { status: 'completed', outcome: (await handle.result()) as ArchiveOutcome, failure: null }
      }
      const { outcome, failure } = await howItFailed(() => handle.result())
      if (status.name === 'CANCELLED') return { status: 'cancelled', outcome, failure: 'it was cancelled' }
      if (status.name === 'FAILED') return { status: 'failed', outcome, failure }
      return { status: 'terminated', outcome, failure: failure ?? 'it was terminated' }
    } catch (error) {
      if (error instanceof WorkflowNotFoundError)
        return { status: 'gone', outcome: null, failure: 'Temporal knows no such archive' }
      throw error
    }
  }
}

function stillRunning(archive: string): ApplicationFailure {
  return ApplicationFailure.create({ type: 'CK-ARCHIVE-RUNNING', message: `${archive} still runs`, category: 'BENIGN' })
}

/** A failed archive carries what it did achieve in its failure's details. */
async function howItFailed(result: () => Promise<unknown>) {
  try {
    await result()
    return { outcome: null, failure: null }
  } catch (error) {
    if (!(error instanceof WorkflowFailedError)) throw error
    const { cause } = error
    const outcome = cause instanceof ApplicationFailure && cause.type === archiveFailedType ? cause.details?.[0] : null
    return { outcome: (outcome ?? null) as ArchiveOutcome | null, failure: cause?.message ?? error.message }
  }
}
