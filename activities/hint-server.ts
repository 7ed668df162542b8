import { controlQueue } from '../workflows/messages.js'
import type { ServerHint } from '../workflows/server-messages.js'
import type { Deps } from './control-activities.js'
import { hintVolumes } from './hint-volumes.js'

/**
 * Tells each volume of a server of a notification about it. Safe to repeat: a volume remembers message ids. Of a server
 * that is gone nobody is told: Cinder tells of its volumes' detachment.
 */
export function hintServer(deps: Pick<Deps, 'workflows' | 'serverVolumes' | 'log'>, taskQueue = controlQueue) {
  return async ({ serverId, hint }: { serverId: string; hint: ServerHint }): Promise<void> => {
    await hintVolumes(deps, await deps.serverVolumes(serverId), hint, taskQueue)
  }
}
