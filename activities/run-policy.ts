import { CodedError } from '../errors/coded-error.js'
import { select } from '../policy/select.js'
import type { PolicyRunReport } from '../workflows/report-messages.js'
import { scheduleEvent } from '../workflows/messages.js'
import type { Deps } from './control-activities.js'
import { factsOf } from './facts-of.js'
import { hintVolume } from './hint-volume.js'
import { refuseOtherPolicies } from './refuse-other-policies.js'
import { walkVolumes } from './walk-volumes.js'

/** How many refusals a report names; their number is told in any case. */
const refusalsNamed = 20

/**
 * Tells each volume that the policy protects that its nominal time has come. Waits for no archive: a long copy must not
 * make the policy miss its next times. Safe to repeat: a volume takes each nominal time once.
 */
export function runPolicy(deps: Deps) {
  return async ({ policy: name, at }: { policy: string; at: string }): Promise<PolicyRunReport> => {
    await refuseOtherPolicies(deps)
    const { policies, installation, internalProjectId } = deps
    if (!policies.some((policy) => policy.name === name)) {
      throw new CodedError(
        'CK-POLICY-UNKNOWN',
        `the schedule of policy ${name} runs, but this worker's file has no such policy`,
        {
          cure: 'Give the worker the file that was applied and restart it, or apply its own: cinderkeep policy apply.',
        },
      )
    }
    const hint = { messageId: `${name}@${at}`, event: scheduleEvent, nominal: { policy: name, at } }
    const begin: PolicyRunReport = { policy: name, at, volumes: 0, told: 0, refused: 0, refusals: [] }
    const report = await walkVolumes(deps, `due at ${at}`, begin, async (volume, state) => {
      const facts = await factsOf(deps, volume)
      const { policy } = select(facts, policies, installation, internalProjectId ?? undefined)
      state.volumes += 1
      if (policy?.name !== name) return
      const refused = await hintVolume(deps, volume.id, hint)
      if (refused === null) {
        state.told += 1
        return
      }
      state.refused += 1
      if (state.refusals.length < refusalsNamed) state.refusals.push({ volume: volume.id, reason: refused })
      deps.log.warn(
        { volume: volume.id, policy: name, reason: refused },
        'Temporal refuses to tell the volume that it is due',
      )
    })
    deps.log.info(
      { policy: name, at, volumes: report.volumes, told: report.told },
      'told the volumes that they are due',
    )
    return report
  }
}
