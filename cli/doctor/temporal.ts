import type { TemporalInHand } from './context.js'
import { ok, warning, type Check, type Finding } from './check.js'

/** What an auditor asks about in three months can still be looked at in the UI. */
const advisedDays = 90

/** Temporal's server and our namespace. */
export const temporalCheck: Check = {
  name: 'temporal',
  async run({ temporal }) {
    const inHand = await temporal.reach()
    const { serverVersion } = await inHand.client.workflowService.getSystemInfo({})
    return judgeNamespace(inHand, serverVersion)
  },
}

export function judgeNamespace(
  { address, namespace, retentionDays }: Omit<TemporalInHand, 'client'>,
  version: string,
): Finding[] {
  const findings = [ok(`Temporal ${version} at ${address} has namespace "${namespace}"`)]
  if (retentionDays !== null && retentionDays < advisedDays) {
    findings.push(
      warning(
        'CK-TEMPORAL-RETENTION',
        `archives vanish from the UI of namespace "${namespace}" ${days(retentionDays)} after their end; ${advisedDays} days are advised`,
        `temporal operator namespace update --retention ${advisedDays}d -n ${namespace}. Recovery points are kept whatever it is.`,
      ),
    )
  }
  return findings
}

function days(amount: number): string {
  return amount === 1 ? 'a day' : `${Math.round(amount * 10) / 10} days`
}
