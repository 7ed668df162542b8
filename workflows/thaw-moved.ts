import { log, proxyActivities, sleep, workflowInfo } from '@temporalio/workflow'
import type { ControlActivities } from '../activities/control-activities.js'
import type { Location } from '../activities/locate-server.js'
import { failureOf } from './failure-of.js'
import type { FreezeServer } from './freeze-messages.js'
import { type QuiesceActivities, quiesceQueue } from './quiesce-messages.js'

/** The code of a thaw of a server that is on its host no more. */
const leftItsHost = 'CK-QUIESCE-NO-DOMAIN'
/** Nova shows the new host of a migrated server only when all is done, seconds after it runs there. */
const looks = { forMs: 600_000, pauseMs: 5000 }
/** Of one that left its host and that Nova says nothing of: it may have been moved without Nova. */
const looksForLost = 24

const { locateServer } = proxyActivities<Pick<ControlActivities, 'locateServer'>>({
  startToCloseTimeout: '30 seconds',
  scheduleToCloseTimeout: '1 minute',
})

/**
 * A guest that is migrated while it is frozen wakes up frozen, on a host whose agent knows nothing of it. Looks where it is
 * until Nova has done with it, and has it thawed there.
 * @param why it could not be thawed where it was frozen: a code
 * @throws when no agent thaws it on its new host
 */
export async function thawMoved(
  { id, name, hypervisor }: FreezeServer,
  token: string,
  why: string | null,
): Promise<void> {
  if (hypervisor === null) return
  const end = Date.now() + looks.forMs
  for (let look = 1; Date.now() < end; look += 1) {
    const now = await locate(id, name)
    if (now === null) return
    if (now !== 'unknown' && now.hypervisor !== hypervisor && now.hypervisor !== null) {
      const { thawServer } = proxyActivities<QuiesceActivities>({
        taskQueue: quiesceQueue(now.hypervisor),
        startToCloseTimeout: '30 seconds',
        // its agent may just be started again
        scheduleToCloseTimeout: '10 minutes',
        retry: { initialInterval: '1 second', backoffCoefficient: 2, maximumInterval: '15 seconds' },
      })
      const on = { summary: `thaw ${name || id} on its new host` }
      await thawServer.executeWithOptions(on, [
        { serverId: id, token, run: workflowInfo().runId, movedFrom: hypervisor },
      ])
      return
    }
    const isLost = why === leftItsHost && look < looksForLost
    const mayMove = now === 'unknown' || now.status === 'MIGRATING' || (isLost && now.status === 'ACTIVE')
    if (!mayMove) return
    await sleep(looks.pauseMs)
  }
}

/** Null: it is no more. */
async function locate(serverId: string, name: string): Promise<Location | 'unknown' | null> {
  try {
    return await locateServer.executeWithOptions({ summary: `where ${name || serverId} is now` }, [{ serverId }])
  } catch (error) {
    log.warn('where a server is that may be frozen cannot be told', { serverId, reason: failureOf(error).message })
    return 'unknown'
  }
}
