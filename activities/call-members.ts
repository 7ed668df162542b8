import { groupEvent } from '../workflows/messages.js'
import type { Deps } from './control-activities.js'
import { hintVolumes } from './hint-volumes.js'

/** Tells volumes that their server is about to be captured. Safe to repeat: the message id is the capture's. */
export function callMembers(deps: Pick<Deps, 'workflows' | 'log'>) {
  return async ({ capture, volumeIds }: { capture: string; volumeIds: string[] }): Promise<void> => {
    await hintVolumes(deps, volumeIds, { messageId: capture, event: groupEvent })
  }
}
