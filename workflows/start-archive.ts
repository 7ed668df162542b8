import { WorkflowExecutionAlreadyStartedError } from '@temporalio/common'
import type { ChildWorkflowHandle } from '@temporalio/workflow'
import { ParentClosePolicy, startChild, WorkflowIdReusePolicy } from '@temporalio/workflow'
import type { archiveVolume } from './archive-volume.js'
import type { ArchivePlan, ArchiveRequest, Verdict } from './messages.js'
import type { RunningArchive } from './volume-memory.js'
import { reconcileEvent, volumeWorkflowId, workflowTypes } from './messages.js'
import type { PermitsMemo } from './permit-messages.js'
import { searchAttributes } from './search-attributes.js'

export type ArchiveHandle = ChildWorkflowHandle<typeof archiveVolume>

/** What `beginRebuild` finds on an archive that nobody remembers. */
export type ArchiveMemo = Omit<RunningArchive, 'archive'>

/**
 * Starts an archive that outlives its parent's runs, and returns when it has started. One that runs already, or ran,
 * under the same id is followed instead: it did this work.
 */
export async function startArchive(
  volume: NonNullable<Verdict['volume']>,
  verdict: Pick<Verdict, 'policy' | 'policyHash'>,
  plan: ArchivePlan,
  archive: RunningArchive,
  first: boolean,
): Promise<ArchiveHandle | null> {
  // what was planned before there were permits carries none
  const { permits = [] } = plan as Partial<ArchivePlan>
  const phase = permits.length === 0 ? 'capturing' : 'waiting'
  const request: ArchiveRequest = {
    ...plan,
    volume,
    policy: verdict.policy,
    policyHash: verdict.policyHash,
    slot: archive.slot,
    attempt: archive.attempt,
    capture: null,
    group: null,
    first,
    entity: volumeWorkflowId(volume.id),
    phase,
  }
  const { archive: workflowId, ...memo } = archive
  const forPermits: PermitsMemo = { project: volume.projectId, first, permits }
  const project = volume.projectName ?? volume.projectId
  try {
    return await startChild<typeof archiveVolume>(workflowTypes.archiveVolume, {
      workflowId,
      args: [request],
      parentClosePolicy: ParentClosePolicy.ABANDON,
      workflowIdReusePolicy: WorkflowIdReusePolicy.REJECT_DUPLICATE,
      staticSummary: `${volume.name || volume.id} (${project}) → ${archive.targets.join(', ')}`,
      staticDetails: detailsOf(request, project),
      memo: { ...(memo satisfies ArchiveMemo), ...(permits.length > 0 && { permits: forPermits }) },
      typedSearchAttributes: [
        { key: searchAttributes.name, value: volume.name || volume.id },
        { key: searchAttributes.project, value: project },
        { key: searchAttributes.target, value: archive.targets },
        { key: searchAttributes.policy, value: verdict.policy ?? 'by hand' },
        { key: searchAttributes.phase, value: phase },
      ],
    })
  } catch (error) {
    if (error instanceof WorkflowExecutionAlreadyStartedError) return null
    throw error
  }
}

/** What does not change while it runs, in Markdown; `showArchive` tells the rest. */
function detailsOf({ volume, slot, attempt, policy, archiveId }: ArchiveRequest, project: string): string {
  return [
    `- volume \`${volume.id}\` of ${project}`,
    `- asked for by ${askedBy(slot)}`,
    `- try ${attempt}`,
    `- policy: ${policy ?? 'none'}`,
    `- its snapshot, and whatever else it makes, is named after \`${archiveId}\``,
  ].join('\n')
}

/** A slot in words: `event:<type>:<message id>`, `policy:<name>@<nominal time>` or `manual:<uuid>`. */
function askedBy(slot: string): string {
  const [kind, ...rest] = slot.split(':')
  if (kind === 'policy') return `the schedule of the policy ${rest.join(':').replace('@', ', for ')}`
  if (kind !== 'event') return 'a person'
  const [event, ...message] = rest
  if (event === reconcileEvent) return 'reconcile, which found that something was missed'
  return `the notification ${event ?? ''}, message \`${message.join(':')}\``
}
