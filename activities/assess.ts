import { CodedError } from '../errors/coded-error.js'
import type { Volume } from '../openstack/cinder.js'
import { assess } from '../policy/assess.js'
import type { Decision } from '../policy/policy.js'
import { volumeFacts } from '../policy/volume-facts.js'
import type { ArchivePlan, AssessRequest, TargetPlan, Verdict } from '../workflows/messages.js'
import { controlQueue, moveQueue } from '../workflows/messages.js'
import { archiveIdOf } from './archive-id.js'
import type { Deps } from './control-activities.js'
import { findTarget } from './find-target.js'

/**
 * Looks at the volume as Cinder shows it now and says what the policies ask for.
 * @throws CodedError `CK-PROJECT-NAME-HIDDEN` when that hangs on a name that Keystone does not show us
 */
export function assessVolume(deps: Deps) {
  return async (request: AssessRequest): Promise<Verdict> => {
    const volume = await lookUp(deps, request.volumeId)
    if (volume === null) return gone(deps, request.volumeId)
    const projectName = await deps.projectName(volume.projectId)
    const { id, name, projectId } = volume
    const decision = assess({
      volume: volumeFacts(volume, projectName),
      policies: deps.policies,
      installation: deps.installation,
      internalProjectId: deps.internalProjectId,
      events: request.events,
      manual: request.manual,
      targets: request.targets,
    })
    if (decision.undecided.length > 0) throw nameHidden(volume, decision)
    return {
      kind: decision.kind,
      reasons: decision.reasons,
      policy: decision.policy,
      policyHash: deps.policyHash,
      volume: { id, name, projectId, projectName },
      settleSeconds: decision.settleSeconds,
      plan: decision.kind === 'archive' ? plan(deps, request, volume, decision) : null,
    }
  }
}

async function lookUp({ cinder }: Deps, volumeId: string): Promise<Volume | null> {
  try {
    return await cinder.getVolume(volumeId)
  } catch (error) {
    if (error instanceof CodedError && error.code === 'CK-VOLUME-GONE') return null
    throw error
  }
}

/** The first policy in file order protects a volume: a later one must not take what an earlier one may protect. */
function nameHidden({ id, projectId }: Volume, { undecided }: Decision): CodedError {
  const what = `which policy protects volume ${id} cannot be told: ${undecided.join(', ')} may, but the name of its project ${projectId} cannot be read`
  return new CodedError('CK-PROJECT-NAME-HIDDEN', what, {
    cure: 'Write the ids of projects into the policy, or give the identity the right to read projects in Keystone.',
  })
}

function gone({ policyHash }: Deps, volumeId: string): Verdict {
  const reasons = [`Cinder has no volume ${volumeId} any more; its copies are kept`]
  return { kind: 'gone', reasons, volume: null, policy: null, policyHash, settleSeconds: 0, plan: null }
}

/** Which target writes and reads back where: bytes go to the movers of the volume's zone, REST calls stay here. */
function plan(deps: Deps, { volumeId, slot, attempt }: AssessRequest, volume: Volume, decision: Decision): ArchivePlan {
  const zone = deps.sources.find(volume.host)?.zone
  const queueOf = (where: 'control' | 'move') =>
    where === 'move' && zone !== undefined ? moveQueue(zone) : controlQueue
  const targets = decision.copies.map(({ target, force }): TargetPlan => {
    const { kind, queues } = findTarget(deps.targets, target)
    return { target, kind, force, writeQueue: queueOf(queues.write), verifyQueue: queueOf(queues.verify) }
  })
  const archiveId = archiveIdOf(deps.installation, volumeId, slot, attempt)
  return { archiveId, consistency: decision.consistency, targets, pace: deps.pace }
}
