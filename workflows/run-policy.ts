import { log, proxyActivities, setCurrentDetails } from '@temporalio/workflow'
import type { ControlActivities } from '../activities/control-activities.js'
import type { PolicyRunReport } from './report-messages.js'
import { nominalTime } from './nominal-time.js'

const activities = proxyActivities<Pick<ControlActivities, 'runPolicy'>>({
  // thousands of volumes take minutes; a lost worker is noticed by its heartbeat, and the next one goes on from there
  startToCloseTimeout: '6 hours',
  heartbeatTimeout: '1 minute',
  // then it is told: what was missed meanwhile, reconcile finds
  scheduleToCloseTimeout: '1 day',
  retry: { initialInterval: '5 seconds', backoffCoefficient: 2, maximumInterval: '2 minutes' },
})

/**
 * What a policy's schedule starts: tells every volume of the policy that its nominal time has come, and ends. It has no
 * children and waits for no archive, or one long copy would make the policy miss its next times.
 */
export async function runPolicy({ policy }: { policy: string }): Promise<PolicyRunReport> {
  const at = nominalTime()
  setCurrentDetails(`### ${policy}, due at ${at}\n\nTelling its volumes. *Pending Activities* says how far it is.`)
  const report = await activities.runPolicy.executeWithOptions({ summary: `tell the volumes of ${policy}` }, [
    { policy, at },
  ])
  setCurrentDetails(detailsOf(report))
  log.info('a policy told its volumes that they are due', { policy, at, told: report.told, refused: report.refused })
  return report
}

function detailsOf({ policy, at, volumes, told, refused, refusals }: PolicyRunReport): string {
  return [
    `### ${policy}, due at ${at}`,
    `- **${told}** of ${volumes} volumes were told; each decides by itself whether it archives`,
    ...(refused === 0 ? [] : [`- **${refused}** could not be told:`]),
    ...refusals.map(({ volume, reason }) => `  - \`${volume}\`: ${reason}`),
  ].join('\n')
}
