import { log, proxyActivities, setCurrentDetails, workflowInfo } from '@temporalio/workflow'
import type { ControlActivities } from '../activities/control-activities.js'
import type { AppliedPolicies } from '../policy/policy.js'
import type { Finding, ReconcileReport } from './report-messages.js'
import { nominalTime } from './nominal-time.js'

const activities = proxyActivities<Pick<ControlActivities, 'reconcile'>>({
  startToCloseTimeout: '6 hours',
  heartbeatTimeout: '1 minute',
  // the next run compares everything anew
  scheduleToCloseTimeout: '1 day',
  retry: { initialInterval: '5 seconds', backoffCoefficient: 2, maximumInterval: '2 minutes' },
})

/** The UI shows no more than it can; the result has more. */
const linesShown = 50

const words: Record<Finding['why'], string> = {
  unwatched: 'protected by a policy, but watched by nobody',
  policy: 'protected by another policy or rpo than was known',
  missed: 'missed an archive',
  gone: 'deleted without our knowing',
  returned: 'taken for deleted, but there',
  silent: 'missed an archive, and their workflows do not answer',
}

/**
 * What the schedule `reconcile` starts every few minutes: finds what notifications did not tell, and tells the volumes'
 * workflows to look. Its argument makes it known to everybody which policies are applied (decision 7).
 */
export async function reconcile(applied: AppliedPolicies): Promise<ReconcileReport> {
  const at = nominalTime()
  setCurrentDetails(`### reconcile of ${at}\n\nComparing. *Pending Activities* says how far it is.`)
  const summary = 'compare the cloud with what is known of it'
  const report = await activities.reconcile.executeWithOptions({ summary }, [
    { applied, at, run: workflowInfo().runId },
  ])
  setCurrentDetails(detailsOf(report))
  log.info('reconcile ended', { at, counts: report.counts })
  return report
}

function detailsOf({ at, volumes, protected: ours, watched, counts, found }: ReconcileReport): string {
  const kinds = Object.entries(counts) as [Finding['why'], number][]
  const total = kinds.reduce((sum, [, count]) => sum + count, 0)
  const shown = found.slice(0, linesShown)
  return [
    `### reconcile of ${at}: ${total === 0 ? 'nothing was missed' : `${total} found`}`,
    `- ${volumes} volumes, ${ours} of them protected, ${watched} watched`,
    ...kinds.map(([why, count]) => `- **${count}** ${words[why]}`),
    ...(shown.length === 0 ? [] : ['', '#### Told to look', '']),
    ...shown.map(lineOf),
    ...(total > shown.length
      ? [`- and ${total - shown.length} more; the result names the first 200, the log all`]
      : []),
  ].join('\n')
}

function lineOf({ volume, name, project, says, untold }: Finding): string {
  const named = name === null || name === '' || name === volume ? '' : `${name} `
  const trouble = untold === null ? '' : ` **It could not be told: ${untold}**`
  return `- ${named}\`${volume}\` (${project ?? 'project not known'}): ${says}${trouble}`
}
