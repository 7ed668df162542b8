import {
  CancellationScope,
  condition,
  getExternalWorkflowHandle,
  isCancellation,
  log,
  proxyActivities,
  setHandler,
} from '@temporalio/workflow'
import type { ControlActivities } from '../activities/control-activities.js'
import type { FreezeMember } from './freeze-messages.js'
import type { ArchiveRequest, CaptureServer } from './messages.js'
import { type Captured, capturedSignal, leaveSignal, serverWorkflowId } from './server-messages.js'

const { joinServer } = proxyActivities<Pick<ControlActivities, 'joinServer'>>({
  startToCloseTimeout: '30 seconds',
  retry: { initialInterval: '1 second', backoffCoefficient: 2, maximumInterval: '1 minute' },
})

/** Longer than a capture of a server takes at the most; then it was terminated, and this volume goes on alone. */
const patience = '45 minutes'

/**
 * Has the archive's volume captured with the other volumes of its server, by the server's workflow.
 * @returns null when nothing came of that
 */
export async function captureTogether(
  { policy }: ArchiveRequest,
  server: CaptureServer,
  member: FreezeMember,
  tell: (reason: string) => void,
): Promise<Captured | null> {
  const told: { captured: Captured | null } = { captured: null }
  setHandler(capturedSignal, (given) => {
    told.captured = given
  })
  const { id: serverId, name, calls } = server
  tell(
    `It waits for the other volumes of server ${name ?? serverId}; the workflow ${serverWorkflowId(serverId)} captures them.`,
  )
  try {
    await joinServer.executeWithOptions({ summary: `captured with server ${name ?? serverId}` }, [
      { serverId, member: { ...member, policy: policy ?? '', calls } },
    ])
    await condition(() => told.captured !== null, patience)
  } catch (error) {
    if (isCancellation(error)) await CancellationScope.nonCancellable(async () => leave(serverId, member.archive))
    throw error
  }
  if (told.captured === null) await leave(serverId, member.archive)
  return told.captured
}

async function leave(serverId: string, archive: string): Promise<void> {
  try {
    await getExternalWorkflowHandle(serverWorkflowId(serverId)).signal(leaveSignal, { archive })
  } catch (error) {
    log.info('the server is not captured any more', { serverId, reason: String(error) })
  }
}
