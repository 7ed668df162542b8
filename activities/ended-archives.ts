import { heartbeat } from '@temporalio/activity'
import { WorkflowNotFoundError } from '@temporalio/client'
import type { Deps } from './control-activities.js'
import { eachOf } from './each-of.js'

/** Which of these archives do not run. Described one by one: visibility may be seconds behind, a grant may not. */
export function endedArchives({ workflows }: Pick<Deps, 'workflows'>) {
  return async ({ archives }: { archives: string[] }): Promise<string[]> => {
    const ended: string[] = []
    await eachOf(archives, async (archive) => {
      heartbeat()
      if (!(await runs(archive))) ended.push(archive)
    })
    return ended
  }

  /** Describing by id sees the newest run: one that was reset goes on. */
  async function runs(archive: string): Promise<boolean> {
    try {
      const { status } = await workflows.getHandle(archive).describe()
      return status.name === 'RUNNING' || status.name === 'PAUSED'
    } catch (error) {
      if (error instanceof WorkflowNotFoundError) return false
      throw error
    }
  }
}
