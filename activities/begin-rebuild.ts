import type { RunningArchive } from '../workflows/messages.js'
import { archiveWorkflowPrefix, workflowTypes } from '../workflows/messages.js'
import type { ArchiveMemo } from '../workflows/start-archive.js'
import type { Deps } from './control-activities.js'

/** The targets to ask, and the archives of the volume that run although its workflow forgot them. */
export function beginRebuild({ targets, workflows }: Deps) {
  return async ({ volumeId }: { volumeId: string }): Promise<{ targets: string[]; running: RunningArchive[] }> => {
    const running: RunningArchive[] = []
    const query = [
      `WorkflowType = '${workflowTypes.archiveVolume}'`,
      `ExecutionStatus = 'Running'`,
      `WorkflowId STARTS_WITH '${archiveWorkflowPrefix(volumeId)}'`,
    ].join(' AND ')
    for await (const { workflowId, memo } of workflows.list({ query })) {
      const { archiveId, slot, events, targets: held, failures } = memo as unknown as ArchiveMemo
      running.push({ archive: workflowId, archiveId, slot, events, targets: held, failures })
    }
    return { targets: [...targets.keys()], running }
  }
}
