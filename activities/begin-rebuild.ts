import type { RunningArchive } from '../workflows/volume-memory.js'
import { archiveWorkflowPrefix, workflowTypes } from '../workflows/messages.js'
import type { ArchiveMemo } from '../workflows/start-archive.js'
import type { Deps } from './control-activities.js'

/**
 * The targets to ask, the archives of the volume that run although its workflow forgot them, and those that somebody
 * terminated: what they left, nobody removed when its workflow was terminated too.
 */
export function beginRebuild({ targets, workflows }: Pick<Deps, 'targets' | 'workflows'>) {
  async function archives(volumeId: string, status: string): Promise<RunningArchive[]> {
    const query = [
      `WorkflowType = '${workflowTypes.archiveVolume}'`,
      `ExecutionStatus ${status}`,
      `WorkflowId STARTS_WITH '${archiveWorkflowPrefix(volumeId)}'`,
    ].join(' AND ')
    const found: RunningArchive[] = []
    for await (const { workflowId, memo } of workflows.list({ query })) {
      // the memo also has what `permits` is rebuilt from
      const known = Object.entries(memo ?? {}).filter(([key]) => key !== 'permits')
      found.push({ ...(Object.fromEntries(known) as unknown as ArchiveMemo), archive: workflowId })
    }
    return found
  }
  return async ({ volumeId }: { volumeId: string }) => {
    const running = await archives(volumeId, `= 'Running'`)
    const ended = await archives(volumeId, `IN ('Terminated', 'TimedOut')`)
    // a reset leaves a terminated run behind, and goes on under the same id
    const terminated = ended.filter(({ archive }) => running.every((one) => one.archive !== archive))
    return { targets: [...targets.keys()], running, terminated }
  }
}
