import { proxyActivities } from '@temporalio/workflow'
import type { ControlActivities } from '../activities/control-activities.js'
import type { NovaReleaseRequest } from '../activities/release-by-nova.js'

const acts = proxyActivities<Pick<ControlActivities, 'releaseByNova'>>({
  startToCloseTimeout: '10 minutes',
  // archives wait for it; what is left then goes when their own captures are released
  scheduleToCloseTimeout: '15 minutes',
  heartbeatTimeout: '30 seconds',
  retry: { initialInterval: '2 seconds', backoffCoefficient: 2, maximumInterval: '1 minute' },
})

/** The code of what Nova made and nobody could remove yet. */
export const novaLeft = 'CK-NOVA-LEFT'

/** What Nova makes under one freeze bears this name: that of the first of the archives, so that whoever undoes it finds it. */
export const novaName = (archiveIds: string[]): string => `ck-${archiveIds.toSorted()[0] ?? ''}`

/** Removes what Nova made for a capture, and returns when it is gone. */
export async function releaseByNova(request: NovaReleaseRequest): Promise<void> {
  await acts.releaseByNova.executeWithOptions({ summary: `remove what Nova made for ${request.imageName}` }, [request])
}
