import { log } from '@temporalio/workflow'
import type { Movers } from '../activities/find-movers.js'
import { failureOf } from './failure-of.js'
import type { ArchiveRequest, TargetPlan } from './messages.js'
import { finishing, moversOf, nearActs, type NearActs, nearTarget } from './near-target.js'

/** Whose temporaries. */
interface Owner {
  archiveId: string
  volumeId: string
}

/** How long at most one target may keep the snapshot from being released for all. */
const longestRemovalSeconds = 600

/** Removes what an archive made on a target beside finished copies, however long it takes. */
export async function removeTemporaries(
  owner: Owner,
  { target, movers }: { target: string; movers: Movers },
  tell: (reason: string) => void,
): Promise<void> {
  const near = { target, movers, options: finishing }
  await unlessUnknown(target, async () => nearTarget(near, async (acts) => remove(acts, owner, target), tell))
}

/** The same for one target of an archive. */
export async function clearAway(
  { archiveId, volume, pace }: ArchiveRequest,
  { target, nearQueue }: TargetPlan,
  tell: (reason: string) => void,
): Promise<void> {
  const movers = moversOf(nearQueue, pace)
  await removeTemporaries({ archiveId, volumeId: volume.id }, { target, movers }, tell)
}

/** Waits for a target that is down only some minutes: the snapshot is in the tenant's way. Returns who is left, and why. */
export async function removeSoon({
  archiveId,
  volume,
  targets,
  pace,
}: ArchiveRequest): Promise<{ plan: TargetPlan; reason: string }[]> {
  const patienceSeconds = Math.min(pace.captureMaxAgeSeconds, longestRemovalSeconds)
  const options = { ...finishing, scheduleToCloseTimeout: `${patienceSeconds} seconds` } as const
  const left: { plan: TargetPlan; reason: string }[] = []
  await Promise.all(
    targets.map(async (plan) => {
      const { target } = plan
      const acts = nearActs(moversOf(plan.nearQueue, pace), options)
      try {
        await unlessUnknown(target, async () => remove(acts, { archiveId, volumeId: volume.id }, target))
      } catch (error) {
        const reason = failureOf(error).message
        log.warn('temporaries cannot be removed yet', { target, reason })
        left.push({ plan, reason })
      }
    }),
  )
  return left
}

async function remove(acts: NearActs, owner: Owner, target: string): Promise<void> {
  await acts.removeTemporaries.executeWithOptions({ summary: `remove temporaries on ${target}` }, [
    { target, ...owner },
  ])
}

/** A target that was taken out of the configuration meanwhile has nobody to ask; the capture is released all the same. */
async function unlessUnknown(target: string, act: () => Promise<void>): Promise<void> {
  try {
    await act()
  } catch (error) {
    if (failureOf(error).code !== 'CK-TARGET-UNKNOWN') throw error
    log.warn('temporaries may be left of a target that is configured no more', { target })
  }
}
