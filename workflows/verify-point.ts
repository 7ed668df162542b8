import {
  ApplicationFailure,
  CancellationScope,
  getExternalWorkflowHandle,
  isCancellation,
  log,
  patched,
  proxyActivities,
  setCurrentDetails,
  sleep,
  upsertSearchAttributes,
} from '@temporalio/workflow'
import type { ControlActivities } from '../activities/control-activities.js'
import type { Movers } from '../activities/find-movers.js'
import type { VerifyPlan } from '../activities/plan-verify.js'
import type { Copy, Verification } from '../targets/target.js'
import { failureOf } from './failure-of.js'
import type { VerifiedCopy, VerifyOutcome } from './messages.js'
import { copyChangedSignal, isDeferral, verifyFailedType } from './messages.js'
import { moveActivities } from './move-activities.js'
import { findMovers, finishing, moversOf, nearActs, nearTarget } from './near-target.js'
import { removeTemporaries } from './remove-temporaries.js'
import { searchAttributes } from './search-attributes.js'
import { backoffMs } from './retry-pause.js'
import { unproven } from './unproven.js'

const looking = {
  startToCloseTimeout: '10 minutes',
  heartbeatTimeout: '1 minute',
  retry: { initialInterval: '2 seconds', backoffCoefficient: 2, maximumInterval: '1 minute' },
} as const
const planning = proxyActivities<Pick<ControlActivities, 'planVerify'>>(looking)

export interface VerifyRequest {
  volumeId: string
  /** For people. */
  name: string
  point: string
  /** null: every target that has a copy. */
  targets: string[] | null
  /** Those that the volume's workflow knows; none: the targets are asked. */
  copies: Copy[]
  /** An archive had no room to read its copy back: it is done later, again and again until there is room. */
  patient: boolean
  /** Who is told what was found out: a workflow id. */
  entity: string
}

/**
 * Reads the copies of a recovery point back, side by side, and marks what was found out on the targets. Only reads them;
 * takes no lane.
 * @throws ApplicationFailure `CK-VERIFY-FAILED` with the outcome as its detail when a copy is bad or could not be read
 */
export async function verifyPoint(request: VerifyRequest): Promise<VerifyOutcome> {
  const { volumeId, point } = request
  const outcome: VerifyOutcome = { volumeId, point, copies: [] }
  show(request, outcome, 'verifying')
  const plan = await planVerify(request)
  outcome.copies = plan.copies.map(({ copy }) => newResult(copy))
  show(request, outcome, 'verifying')
  const all = await Promise.allSettled(
    plan.copies.map(async ({ queue, nearQueue }, i) => {
      const mine = outcome.copies[i]
      const where = { queue, pace: plan.pace, movers: moversOf(nearQueue, plan.pace) }
      if (mine !== undefined) await verifyInTime(request, outcome, mine, where)
    }),
  )
  for (const one of all) if (one.status === 'rejected') throw one.reason
  return conclude(request, outcome)
}

async function planVerify(request: VerifyRequest): Promise<VerifyPlan> {
  const { volumeId, name, point, targets } = request
  const summary = `which copies ${name} has of ${point}`
  try {
    const isKnown = request.copies.length > 0 || !patched('near-targets')
    const copies = isKnown ? request.copies : await askTargets(request)
    return await planning.planVerify.executeWithOptions({ summary }, [{ volumeId, point, targets, copies }])
  } catch (error) {
    if (isCancellation(error)) throw error
    const { code, message } = failureOf(error)
    throw told(code, message, [])
  }
}

/** Where nobody remembers the point. */
async function askTargets({ volumeId, name, point, targets }: VerifyRequest): Promise<Copy[]> {
  const movers = Object.entries(await findMovers({ targets }))
  const lists = await Promise.all(
    movers.map(async ([target, its]) => {
      const summary = `copies of ${name} on ${target}`
      return nearActs(its, looking).listCopies.executeWithOptions({ summary }, [{ volumeId, target, point }])
    }),
  )
  return lists.flat()
}

/** Who reads a copy, and who does everything else about it. */
interface Where {
  queue: string
  movers: Movers
  pace: VerifyPlan['pace']
}

function newResult(copy: Copy): VerifiedCopy {
  return { target: copy.target, copy, found: null, reason: null, failure: null }
}

/** A person is told when there is no room; what an archive left is read when there is. */
async function verifyInTime(
  request: VerifyRequest,
  outcome: VerifyOutcome,
  mine: VerifiedCopy,
  where: Where,
): Promise<void> {
  for (let tries = 1; request.patient; tries++) {
    await sleep(backoffMs(tries))
    mine.failure = null
    mine.reason = null
    await verifyCopy(request, outcome, mine, where)
    if (!isDeferral(mine)) return
  }
  await verifyCopy(request, outcome, mine, where)
}

async function verifyCopy(
  request: VerifyRequest,
  outcome: VerifyOutcome,
  mine: VerifiedCopy,
  { queue, movers, pace }: Where,
): Promise<void> {
  const { target, copy } = mine
  const { archiveId, volumeId } = copy
  const waits = (reason: string) => {
    show(request, outcome, 'verifying', reason)
  }
  const summary = `read back ${request.name} from ${target}`
  try {
    const verification = await moveActivities(queue, pace).verifyCopy.executeWithOptions({ summary }, [
      { target, copy, capture: null },
    ])
    await CancellationScope.nonCancellable(async () => {
      mine.copy = await mark(copy, verification, movers, waits)
      await tell(request, mine.copy)
    })
    mine.found = verification.state
    mine.reason = verification.reason
    mine.failure = unproven({ ...copy, state: verification.state, reason: verification.reason })
  } catch (error) {
    // what an act that was stopped or given up restored to read it lies about; a verdict leaves nothing
    await CancellationScope.nonCancellable(() => removeTemporaries({ archiveId, volumeId }, { target, movers }, waits))
    if (isCancellation(error)) throw error
    mine.failure = failureOf(error)
    mine.reason = mine.failure.message
  }
  show(request, outcome, 'verifying')
}

/** That it could not be compared this time says nothing against a copy that was verified before. */
async function mark(
  copy: Copy,
  { state, rootHash, hashedBytes, reason }: Verification,
  movers: Movers,
  waits: (reason: string) => void,
): Promise<Copy> {
  if (state === 'unverified' && copy.state !== 'unverified') return copy
  const verifiedAt = state === 'verified' ? new Date(Date.now()).toISOString() : null
  const size = hashedBytes ?? copy.hashedBytes
  const mark = { state, rootHash: rootHash ?? copy.rootHash, hashedBytes: size, verifiedAt, reason }
  const { target } = copy
  const summary = `write “${state}” on the copy on ${target}`
  return nearTarget(
    { target, movers, options: finishing },
    async (acts) => acts.markCopy.executeWithOptions({ summary }, [{ target, copy, mark }]),
    waits,
  )
}

/** Where nobody remembers the volume, the next who does reads the mark on the target. */
async function tell({ entity }: VerifyRequest, copy: Copy): Promise<void> {
  try {
    await getExternalWorkflowHandle(entity).signal(copyChangedSignal, copy)
  } catch (error) {
    log.info('nobody holds the points of the volume any more', { entity, reason: failureOf(error).message })
  }
}

/** @param hindrance what it waits for */
function show(
  { name, point }: VerifyRequest,
  { copies }: VerifyOutcome,
  phase: 'verifying' | 'done' | 'failed',
  hindrance?: string,
): void {
  const doing = {
    verifying: 'Reading the copies back and comparing their hashes. The tab *Pending Activities* says how far.',
    done: 'Finished; nothing temporary is left.',
    failed: 'Finished; at least one copy is not proven. Nothing temporary is left.',
  }
  const parts = copies.flatMap(({ target, found, copy, failure, reason }) => {
    const state = found ?? (failure === null ? 'being read back' : 'could not be read back')
    const hash = copy.rootHash === null ? [] : [`Hash of the capture: \`${copy.rootHash}\``]
    const text = failure?.message ?? reason
    return [`**${target}: ${state}**`, ...(text?.split('\n').map((line) => line.trim()) ?? []), ...hash]
  })
  const waits = hindrance === undefined ? [] : [`- ${hindrance}`]
  setCurrentDetails([`### ${name}@${point}: ${phase}`, doing[phase], ...waits, ...parts].join('\n\n'))
  upsertSearchAttributes([{ key: searchAttributes.phase, value: phase }])
}

function conclude(request: VerifyRequest, outcome: VerifyOutcome): VerifyOutcome {
  const failed = outcome.copies.filter(({ failure }) => failure !== null)
  show(request, outcome, failed.length === 0 ? 'done' : 'failed')
  if (failed.length === 0) return outcome
  const lines = failed.map(({ target, failure }) => `  ${target}: ${failure?.message ?? ''}`)
  const where = failed.map(({ target }) => target).join(', ')
  const message = `${verifyFailedType}  ${request.name}@${request.point} is not proven on ${where}`
  throw told(verifyFailedType, [message, ...lines].join('\n'), [outcome])
}

/** The message says all; a stack would only bury it in the UI. */
function told(type: string, message: string, details: unknown[]): ApplicationFailure {
  const failure = ApplicationFailure.create({ type, message, nonRetryable: true, details })
  failure.stack = ''
  return failure
}
