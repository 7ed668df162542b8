import { ActivityCancellationType, CancellationScope, proxyActivities, sleep } from '@temporalio/workflow'
import type { ControlActivities } from '../activities/control-activities.js'
import type { NovaCapture, NovaCaptureRequest } from '../activities/capture-by-nova.js'
import type { NovaReleaseRequest } from '../activities/release-by-nova.js'
import { failureOf, hadEarlierAttempts } from './failure-of.js'
import type { FreezeMember, FreezeResult, FreezeServer } from './freeze-messages.js'
import { novaLeft, novaName, releaseByNova } from './release-by-nova.js'

const collision = { code: 'CK-NOVA-QUIESCE-FAILED', tries: 3, pauseMs: 10_000 }

const { captureByNova } = proxyActivities<Pick<ControlActivities, 'captureByNova'>>({
  startToCloseTimeout: '5 minutes',
  scheduleToCloseTimeout: '10 minutes',
  // as long as Nova itself waits for a freeze: two requests are not at work at the same time
  heartbeatTimeout: '1 minute',
  retry: { initialInterval: '2 seconds', backoffCoefficient: 2, maximumInterval: '1 minute' },
  // nothing is removed while it may still make something
  cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
})

/**
 * Nova freezes one server, and says so only of one whose image requires it. What it left is removed when that fails.
 * @param away why no agent does it, for people
 */
export async function snapshotByNova(
  members: FreezeMember[],
  servers: FreezeServer[],
  away: string[],
): Promise<Omit<FreezeResult, 'servers'>> {
  const none = (reasons: string[]) => ({ frozen: [], byNova: false, reasons })
  const [server] = servers
  const [first] = members
  if (server === undefined || first === undefined || servers.length > 1) {
    return none([...away, 'CK-NOVA-SEVERAL-SERVERS  Nova freezes one server at a time, and several have it attached'])
  }
  if (!server.byNova.isPossible) return none([...away, server.byNova.reason])
  const { id: serverId, name: serverName } = server
  const volumes = members.map(({ volumeId, archiveId }) => ({ volumeId, archiveId }))
  const { archive, maxAgeSeconds } = first
  const name = novaName(volumes.map(({ archiveId }) => archiveId))
  const request = { archive, serverId, imageName: name, volumes, maxAgeSeconds }
  const rounds = { areUnclear: false }
  try {
    const { snapshots } = await capture(serverName || serverId, request, rounds)
    return {
      frozen: snapshots.flatMap(({ volumeId, snapshotId, frozen }) => (frozen ? [{ volumeId, snapshotId }] : [])),
      byNova: true,
      reasons: [...new Set(snapshots.flatMap(({ reason }) => reason ?? []))],
    }
  } catch (error) {
    const { code, message } = failureOf(error)
    // what it refused, and what Nova said it had given up, leaves nothing that could still appear
    const settled = code.startsWith('CK-NOVA-') && !rounds.areUnclear
    const left = await CancellationScope.nonCancellable(async () =>
      tryToRelease({ serverId, imageName: name, volumes, settled }),
    )
    return none([...away, message, ...left])
  }
}

/** Somebody else may have frozen the guest, for another volume perhaps: then Nova fails before it has made anything. */
async function capture(
  serverName: string,
  request: NovaCaptureRequest,
  rounds: { areUnclear: boolean },
): Promise<NovaCapture> {
  for (let tries = 1; ; tries += 1) {
    try {
      const summary = `Nova freezes ${serverName}`
      return await captureByNova.executeWithOptions({ summary }, [request])
    } catch (error) {
      rounds.areUnclear ||= hadEarlierAttempts(error)
      if (failureOf(error).code !== collision.code || tries === collision.tries) throw error
    }
    // two that collide do not do so again and again
    await sleep(collision.pauseMs * (0.5 + Math.random()))
  }
}

/** @returns what is left, and is released with the archive's own capture */
async function tryToRelease(request: NovaReleaseRequest): Promise<string[]> {
  try {
    await releaseByNova(request)
    return []
  } catch (error) {
    return [`${novaLeft}  what Nova made as ${request.imageName} could not be removed yet: ${failureOf(error).message}`]
  }
}
