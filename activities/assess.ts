import { CodedError } from '../errors/coded-error.js'
import type { Volume } from '../openstack/cinder.js'
import { orNull } from '../openstack/or-null.js'
import { assess } from '../policy/assess.js'
import type { Decision } from '../policy/policy.js'
import type { Source } from '../source/source.js'
import type { ArchivePlan, AssessRequest, CapturedBy, TargetPlan, Verdict } from '../workflows/messages.js'
import { controlQueue, groupEvent, moveQueue, reconcileEvent, scheduleEvent } from '../workflows/messages.js'
import { archiveIdOf } from './archive-id.js'
import type { Deps } from './control-activities.js'
import { factsOf } from './facts-of.js'
import { findTarget } from './find-target.js'
import { permitsOf } from './permits-of.js'
import { refuseOtherPolicies } from './refuse-other-policies.js'

/**
 * Looks at the volume as Cinder shows it now and says what the policies ask for.
 * @throws CodedError `CK-PROJECT-NAME-HIDDEN` when that hangs on a name that Keystone does not show us
 */
export function assessVolume(deps: Deps) {
  return async (request: AssessRequest): Promise<Verdict> => {
    // the snapshot waits for this: Temporal and Cinder are asked at the same time; what is paused, the plan asks again
    deps.pausedScopes().catch(() => undefined)
    const [volume] = await Promise.all([
      orNull('CK-VOLUME-GONE', async () => deps.cinder.getVolume(request.volumeId)),
      refuseOtherPolicies(deps),
    ])
    if (volume === null) return gone(deps, request.volumeId)
    const facts = await factsOf(deps, volume)
    const { id, name, projectId, projectName } = facts
    const own = [scheduleEvent, reconcileEvent, groupEvent]
    const decision = assess({
      volume: facts,
      policies: deps.policies,
      installation: deps.installation,
      internalProjectId: deps.internalProjectId,
      events: request.events.filter((event) => !own.includes(event)),
      lastPolicy: request.lastPolicy ?? null,
      scheduled: request.events.includes(scheduleEvent),
      grouped: request.events.includes(groupEvent),
      reconciled: request.events.includes(reconcileEvent),
      manual: request.manual,
      last: request.last,
      now: Date.now(),
      targets: request.targets,
    })
    if (decision.undecided.length > 0) throw nameHidden(volume, decision)
    const { kind, reasons, policy, settleSeconds, rpoSeconds, nextAt, waitUntil } = decision
    return {
      ...{ kind, reasons, policy, settleSeconds, rpoSeconds, nextAt, waitUntil },
      policyHash: deps.policyHash,
      volume: { id, name, projectId, projectName },
      plan: kind === 'archive' ? await plan(deps, request, volume, decision) : null,
    }
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
  const nothing = {
    volume: null,
    policy: null,
    settleSeconds: 0,
    rpoSeconds: null,
    nextAt: null,
    waitUntil: null,
    plan: null,
  }
  return { kind: 'gone', reasons, policyHash, ...nothing }
}

/** Which target writes and reads back where: bytes go to the movers of the volume's zone, REST calls stay here. */
async function plan(
  deps: Deps,
  { volumeId, slot, attempt }: AssessRequest,
  volume: Volume,
  decision: Decision,
): Promise<ArchivePlan> {
  const source = deps.sources.find(volume.host)
  const zone = source?.zone
  const targets = decision.copies.map(({ target, force }): TargetPlan => {
    const { kind, queues, zone: its } = findTarget(deps.targets, target)
    // what only movers reach, they are told of even where no source reaches the volume: it fails there with the reason
    const reached = zone ?? its
    const queueOf = (where: 'control' | 'move') =>
      where === 'move' && reached !== undefined ? moveQueue(reached) : controlQueue
    return {
      ...{ target, kind, force, writeQueue: queueOf(queues.write), verifyQueue: queueOf(queues.verify) },
      ...(its !== undefined && { nearQueue: moveQueue(its) }),
    }
  })
  const capturedBy = capturedByOf(deps, volume, source, targets)
  const archiveId = archiveIdOf(deps.installation, volumeId, slot, attempt)
  const permits = permitsOf(deps.limits, await deps.pausedScopes(), {
    host: volume.host,
    targets: targets.map(({ target }) => target),
    policy: deps.policies.find(({ name }) => name === decision.policy) ?? null,
  })
  return {
    archiveId,
    consistency: decision.consistency,
    targets,
    pace: deps.pace,
    permits,
    ...(volume.host !== null && { backend: volume.host }),
    ...(capturedBy !== undefined && { capturedBy }),
    // a `force` backup takes a snapshot of its own, later
    ...(decision.server !== null &&
      targets.some(({ force }) => !force) && {
        server: { ...decision.server, calls: attempt === 1 && !slot.startsWith(`event:${groupEvent}:`) },
      }),
  }
}

/** We take the snapshot ourselves when nobody needs one of Cinder's: it is in nobody's way, and can become a base. */
function capturedByOf(
  deps: Deps,
  { id: volumeId, host, nameId }: Volume,
  source: Source | undefined,
  targets: TargetPlan[],
): CapturedBy | undefined {
  const readsSource = targets.every(({ target }) => findTarget(deps.targets, target).reads === 'source')
  if (source?.kind !== 'rbd' || !readsSource) return undefined
  const seconds = Math.floor(Date.now() / 1000)
  return { maker: 'rbd', queue: moveQueue(source.zone), seconds, place: { volumeId, host, nameId } }
}
