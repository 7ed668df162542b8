import type { Volume } from '../openstack/cinder.js'
import { orNull } from '../openstack/or-null.js'
import { compare, missedSince, type Difference } from '../policy/compare.js'
import type { AppliedPolicies, Policy, VolumeFacts } from '../policy/policy.js'
import { select } from '../policy/select.js'
import type { VolumeStatus } from '../workflows/messages.js'
import type { Finding, ReconcileReport } from '../workflows/report-messages.js'
import { reconcileEvent, statusQuery, volumeWorkflowId } from '../workflows/messages.js'
import type { Deps } from './control-activities.js'
import { eachOf } from './each-of.js'
import { factsOf } from './facts-of.js'
import { findWatched, type WatchedVolume } from './find-watched.js'
import { hintVolume } from './hint-volume.js'
import { walkVolumes } from './walk-volumes.js'

export interface ReconcileRequest {
  applied: AppliedPolicies
  /** The run's nominal time; with `run` it makes a nudge known from that of another run. */
  at: string
  run: string
}

/** How many findings a report names. */
const findingsNamed = 200
const queryMs = 20_000

/**
 * Compares all volumes of the cloud with what their workflows know, and tells those that missed something to look.
 * Notifications are hints, and this is what does not rest on them. Decides nothing: a volume's workflow assesses anew.
 */
export function reconcile(deps: Deps) {
  return async (request: ReconcileRequest): Promise<ReconcileReport> => {
    const { policyHash, policies } = request.applied
    const begin: ReconcileReport = {
      ...{ at: request.at, policyHash, volumes: 0, protected: 0, watched: 0, counts: {}, found: [] },
    }
    const seen = new Set<string>()
    let listed: Promise<Map<string, WatchedVolume>> | undefined
    // within the heartbeat: a namespace may hold tens of thousands
    const watched = async () => (listed ??= findWatched(deps))

    const visit = async (volume: Volume, report: ReconcileReport): Promise<void> => {
      const its = (await watched()).get(volume.id) ?? null
      seen.add(volume.id)
      const facts = await factsOf({ ...deps, policies }, volume)
      const { policy } = select(facts, policies, deps.installation, deps.internalProjectId ?? undefined)
      report.volumes += 1
      if (policy !== null) report.protected += 1
      const found = await differenceOf(deps, facts, policy, its)
      if (found === null) return
      const { id, name, projectId, projectName } = facts
      await tell(deps, request, report, { ...found, volume: id, name, project: projectName ?? projectId })
    }

    const finish = async (report: ReconcileReport): Promise<void> => {
      const all = await watched()
      report.watched = all.size
      const unseen = [...all].filter(([id, { protection }]) => !seen.has(id) && protection !== 'source-gone')
      await eachOf(unseen, async ([id, { name, project }]) => {
        // it may have been created, or looked at by an earlier attempt, since the list was read
        if (!(await isGone(deps, id))) return
        await tell(deps, request, report, { ...{ volume: id, name, project, why: 'gone' }, says: 'It was deleted.' })
      })
    }

    const report = await walkVolumes(deps, 'comparing', begin, visit, finish)
    const { at, volumes, counts, watched: known } = report
    deps.log.info({ at, volumes, watched: known, counts }, 'compared the cloud with what is known of it')
    return report
  }
}

type Found = Pick<Finding, 'why' | 'says'>

/** The columns only raise a suspicion that something was missed; the workflow itself knows whether that is on its way. */
async function differenceOf(
  deps: Deps,
  facts: VolumeFacts,
  policy: Policy | null,
  watched: WatchedVolume | null,
): Promise<Found | null> {
  const now = Date.now()
  const difference: Difference | null = compare(facts, policy, watched, now)
  if (difference?.why !== 'missed' || policy === null) return difference
  try {
    const status = await statusOf(deps, facts.id)
    return isBusy(status) ? null : missedSince(policy, facts, status.last, now)
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    return { why: 'silent', says: `${difference.says} Its workflow does not answer: ${reason}` }
  }
}

async function statusOf({ workflows }: Deps, volumeId: string): Promise<VolumeStatus> {
  return workflows.withDeadline(Date.now() + queryMs, () =>
    workflows.getHandle(volumeWorkflowId(volumeId)).query(statusQuery),
  )
}

/**
 * An archive waits or will be tried again: what was missed comes with it. One that runs counts as a point; one that could
 * not be looked at may sleep for hours, although what hindered it has ended.
 */
function isBusy({ wants, burst, asked, rebuilding }: VolumeStatus): boolean {
  const isRebuilding = rebuilding === null || rebuilding.length > 0
  const isComing = burst !== null && burst.failures === 0
  return Object.keys(wants).length > 0 || isComing || asked.length > 0 || isRebuilding
}

async function isGone({ cinder }: Deps, volumeId: string): Promise<boolean> {
  return (await orNull('CK-VOLUME-GONE', async () => cinder.getVolume(volumeId))) === null
}

async function tell(
  deps: Deps,
  { at, run }: ReconcileRequest,
  report: ReconcileReport,
  found: Omit<Finding, 'untold'>,
): Promise<void> {
  const { volume, why, says, name, project } = found
  const untold = await hintVolume(deps, volume, { messageId: `reconcile@${at}/${run}`, event: reconcileEvent })
  report.counts[why] = (report.counts[why] ?? 0) + 1
  if (report.found.length < findingsNamed) report.found.push({ ...found, untold })
  deps.log.warn({ volume, name, project, why, ...(untold !== null && { untold }) }, says)
}
