import { heartbeat } from '@temporalio/activity'
import { WorkflowNotFoundError } from '@temporalio/client'
import type { Pause, PermitsMemo } from '../workflows/permit-messages.js'
import { permitsWorkflowId, workflowTypes } from '../workflows/messages.js'
import { askAgainSignal, pausedMemo } from '../workflows/permit-messages.js'
import type { Deps } from './control-activities.js'
import { eachOf } from './each-of.js'

/** What fits into an activity's result; beyond it, those that visibly wait are left out. */
const mostFound = 4000

interface Found {
  archive: string
  waits: boolean
  memo: PermitsMemo
}

/**
 * For a run of `permits/all` that remembers nothing: the archives that run and asked for permits, and what the run before
 * had paused. Which of them hold and which wait only they know: all are taken for holders, and those that wait ask
 * again at once, because all are told to.
 */
export function findHolders({ workflows }: Pick<Deps, 'workflows'>, also = '') {
  return async ({ runId }: { runId: string }) => {
    const paused = await pausedBefore(runId)
    const found = await running()
    await eachOf(found, async ({ archive }) => {
      heartbeat()
      await nudge(archive)
    })
    const kept = found.sort((a, b) => Number(a.waits) - Number(b.waits)).slice(0, mostFound)
    return { paused, holders: kept.map(({ archive, memo }) => ({ ...memo, archive })) }
  }

  async function running(): Promise<Found[]> {
    const query = `WorkflowType = '${workflowTypes.archiveVolume}' AND ExecutionStatus = 'Running'${also}`
    const found: Found[] = []
    for await (const { workflowId, memo, typedSearchAttributes } of workflows.list({ query })) {
      heartbeat()
      const permits = memo?.['permits'] as PermitsMemo | undefined
      if (permits === undefined) continue
      const phase = typedSearchAttributes.getAll().find(({ key }) => key.name === 'phase')?.value
      found.push({ archive: workflowId, waits: phase === 'waiting', memo: permits })
    }
    return found
  }

  async function nudge(archive: string): Promise<void> {
    try {
      await workflows.getHandle(archive).signal(askAgainSignal)
    } catch (error) {
      if (!(error instanceof WorkflowNotFoundError)) throw error
    }
  }

  /**
   * The newest run but ours that knew it: one that was terminated before says nothing. Its memo is read from the server,
   * not from visibility, which may be behind.
   */
  async function pausedBefore(runId: string): Promise<Record<string, Pause>> {
    for await (const run of workflows.list({ query: `WorkflowId = '${permitsWorkflowId}'${also}` })) {
      if (run.runId === runId) continue
      const { memo } = await workflows.getHandle(permitsWorkflowId, run.runId).describe()
      const paused = memo?.[pausedMemo] as Record<string, Pause> | undefined
      if (paused !== undefined) return paused
    }
    return {}
  }
}
