import { controlQueue, workflowTypes } from '../workflows/messages.js'
import { type GroupMember, joinSignal, serverWorkflowId } from '../workflows/server-messages.js'
import type { Deps } from './control-activities.js'

/** Has an archive's volume captured with its server: the server's workflow is started when it does not run. Safe to repeat. */
export function joinServer({ workflows }: Pick<Deps, 'workflows'>, taskQueue = controlQueue) {
  return async ({ serverId, member }: { serverId: string; member: GroupMember }): Promise<void> => {
    await workflows.signalWithStart<() => Promise<unknown>, [GroupMember]>(workflowTypes.captureServer, {
      ...{ workflowId: serverWorkflowId(serverId), taskQueue, args: [] },
      ...{ signal: joinSignal, signalArgs: [member] },
      staticSummary: `capture of the volumes of server ${serverId}`,
    })
  }
}
