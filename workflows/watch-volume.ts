import {
  CancellationScope,
  condition,
  continueAsNew,
  isCancellation,
  log,
  patched,
  setHandler,
  workflowInfo,
} from '@temporalio/workflow'
import { assess } from './assess.js'
import { checkArchiveNow, checkVerifyNow } from './check-messages.js'
import { followArchive, undoLeftover } from './follow-archive.js'
import type { AssessRequest, LaneFreed, TargetPlan, Verdict } from './messages.js'
import type { RunningArchive, VolumeState } from './volume-memory.js'
import {
  archiveNowUpdate,
  archiveWorkflowId,
  copiedSignal,
  copyChangedSignal,
  hintSignal,
  laneFreedSignal,
  manualSlot,
  manualSlotPrefix,
  pointsQuery,
  requestQuery,
  statusQuery,
  verifyNowUpdate,
  verifyWorkflowId,
} from './messages.js'
import { beginRebuild, rebuildTarget } from './rebuild.js'
import { backoffMs } from './retry-pause.js'
import { columnsChanged, showVolume } from './show-volume.js'
import type { ArchiveHandle } from './start-archive.js'
import { startArchive } from './start-archive.js'
import { startVerification } from './start-verification.js'
import { addCopies, changeCopy, isCopy, isFirstCopy } from './volume-points.js'
import {
  addHints,
  completeArchive,
  completeState,
  endArchive,
  forgetPoints,
  freeLane,
  freshState,
  holdLanes,
  isBlocked,
  isFinished,
  lastAsked,
  nextAlarm,
  nextTry,
  nextVerification,
  putBurstBack,
  requestState,
  settleMs,
  statusOf,
  takeBurst,
} from './volume-state.js'
import { dropWant, isInvited, isServed, ripeWants, wantLater } from './volume-wants.js'

/** A fresh run gives its targets this long to answer before it archives to those that have. */
const rebuildGrace = '30 seconds'
/** Long before the server would ask for it: what an entity replays stays small. */
const eventsPerRun = 200
/** The clocks of Temporal and of who reads the policy differ a little: a window is not asked for again and again. */
const windowPauseMs = 5000
const leftoversAtOnce = 8

/**
 * One for each volume that a policy protects or of which copies exist: gathers hints, decides when to archive, holds
 * the recovery points. It serialises decisions, not bytes. It lives for years and survives everything that happens to
 * it: Cancel makes it read its points from the targets again, and a run without carried state does so first.
 * @param carried what the previous run knew; absent when somebody else started it
 */
export async function watchVolume(carried?: VolumeState): Promise<void> {
  const volumeId = workflowInfo().workflowId.slice('volume/'.length)
  const state = carried === undefined ? freshState() : completeState(carried)
  const assessedBy = carried?.assessedBy ?? (patched('assessed-by-activity') ? 'activity' : 'local activity')
  state.assessedBy = 'activity'
  let endedArchives = 0
  let readAgain = false
  let shown = ''
  let hasNews = false
  const rebuildOne = async (target: string) => rebuildTarget(volumeId, target, state, () => (hasNews = true))

  setHandler(hintSignal, (hints) => {
    addHints(state, hints, Date.now())
  })
  setHandler(laneFreedSignal, (freed: Partial<LaneFreed> | null | undefined) => {
    const { archive: id, target } = freed ?? {}
    if (id === undefined || target === undefined) return
    freeLane(state, id, target)
    // one that nobody follows (it was reset after its end, or started just before this workflow was terminated) is found
    // like the archives of a workflow without memory
    const isKnown = state.archives.some(({ archive }) => archive === id)
    if (!isKnown && state.rebuilding !== null) readAgain = true
  })
  setHandler(copiedSignal, (copies) => {
    addCopies(state, copies)
  })
  setHandler(copyChangedSignal, (copy) => {
    if (!isCopy(copy)) return
    changeCopy(state, copy, Date.now())
    hasNews = true
  })
  setHandler(pointsQuery, () => state.points)
  setHandler(statusQuery, () => statusOf(volumeId, state, Date.now()))
  setHandler(requestQuery, (id) => requestState(state, manualSlot(id)))
  setHandler(
    archiveNowUpdate,
    ({ id, targets }) => {
      const slot = manualSlot(id)
      if (requestState(state, slot).state === 'unknown') state.asked.push({ slot, targets })
      return { archive: archiveWorkflowId(volumeId, slot, 1) }
    },
    { validator: checkArchiveNow },
  )
  setHandler(
    verifyNowUpdate,
    (verification) => {
      state.verifications.push(verification)
      return { verification: verifyWorkflowId(volumeId, verification.point, verification.id) }
    },
    { validator: checkVerifyNow },
  )

  // Cancel must not end what remembers the copies: it is taken as "read everything again"
  CancellationScope.current().cancelRequested.catch((error: unknown) => {
    if (isCancellation(error)) readAgain = true
  })
  await CancellationScope.nonCancellable(live)

  async function live(): Promise<void> {
    await rebuild()
    for (const archive of state.archives) inBackground(follow(archive, null))
    inBackground(undoLeftovers())
    for (;;) {
      shown = showVolume(volumeId, state, shown)
      hasNews = false
      await waitForWork()
      // the state is copied in the same breath as it is handed over: no signal can come between
      if (readAgain) return continueAsNew<typeof watchVolume>(forgetPoints(state))
      if (runIsLong() && !hasWork()) return continueAsNew<typeof watchVolume>(state)
      if (isFinished(state)) return
      await decide()
    }
  }

  /** Nothing is decided before the targets were asked; one that does not answer delays the others only a moment. */
  async function rebuild(): Promise<void> {
    if (state.rebuilding === null) {
      shown = showVolume(volumeId, state, shown)
      const found = await beginRebuild(volumeId)
      state.rebuilding = found.targets
      for (const archive of found.running) {
        const isKnown = state.archives.some((known) => known.archive === archive.archive)
        if (!isKnown) holdLanes(state, completeArchive(archive))
      }
      const known = [...state.archives, ...state.leftovers].map(({ archive }) => archive)
      state.leftovers.push(...found.terminated.filter(({ archive }) => !known.includes(archive)))
    }
    for (const target of state.rebuilding) inBackground(rebuildOne(target))
    await condition(() => state.rebuilding?.length === 0, rebuildGrace)
  }

  /**
   * Each is forgotten when it is done: this run may end before the last one is. A few at a time, since one that cannot
   * be undone (a tenant's clone holds its snapshot) must not keep the others, nor a long list fill a run.
   */
  async function undoLeftovers(): Promise<void> {
    const waiting = [...state.leftovers]
    const undoOneByOne = async () => {
      for (let archive = waiting.shift(); archive !== undefined; archive = waiting.shift()) {
        await undoLeftover(volumeId, archive)
        const { archive: id } = archive
        state.leftovers = state.leftovers.filter((one) => one.archive !== id)
      }
    }
    await Promise.all(Array.from({ length: leftoversAtOnce }, undoOneByOne))
  }

  async function waitForWork(): Promise<void> {
    const alarm = nextAlarm(state, Date.now())
    const wake = () =>
      hasWork() ||
      readAgain ||
      runIsLong() ||
      isFinished(state) ||
      nextAlarm(state, Date.now()) !== alarm ||
      hasNews ||
      columnsChanged(volumeId, state, shown)
    if (alarm === null) await condition(wake)
    else await condition(wake, Math.max(alarm - Date.now(), 1))
  }

  function runIsLong(): boolean {
    return endedArchives > 0 || workflowInfo().historyLength > eventsPerRun
  }

  function hasWork(): boolean {
    const now = Date.now()
    const burstIsDue = state.burst !== null && state.burst.dueAt <= now
    const isAsked = askedAndFree() !== undefined || nextVerification(state) !== undefined
    return burstIsDue || isAsked || ripeWants(state, now) !== null
  }

  /** A person's request waits until all its lanes are free, so that one archive serves it. */
  function askedAndFree() {
    return state.asked.find(({ targets }) => targets?.every((one) => !isBlocked(state, one)) ?? true)
  }

  async function decide(): Promise<void> {
    const verification = nextVerification(state)
    if (verification !== undefined) return verify(verification)
    const asked = askedAndFree()
    if (asked !== undefined) return decideAsked(asked)
    if (state.burst !== null && state.burst.dueAt <= Date.now()) return decideBurst()
    const ripe = ripeWants(state, Date.now())
    if (ripe !== null) await decideWant(ripe)
  }

  async function decideBurst(): Promise<void> {
    const burst = takeBurst(state)
    if (burst === null) return
    const { slot, events, lastPolicy = state.policy } = burst
    burst.waitsForWindow = false
    const verdict = await assess(state, request(slot, { events, lastPolicy }), assessedBy)
    const settledAt = burst.firstAt + settleMs(burst, verdict?.settleSeconds ?? 0)
    const opensAt = windowOf(verdict)
    // by the time that it can be archived its server was captured without it
    if (isInvited(burst) && verdict?.kind !== 'archive') return
    if (opensAt !== null) {
      burst.failures = 0
      burst.waitsForWindow = true
      putBurstBack(state, burst, opensAt)
    } else if (verdict === null || verdict.kind === 'wait') {
      burst.failures += 1
      putBurstBack(state, burst, Date.now() + backoffMs(burst.failures))
    } else if (verdict.plan !== null && Date.now() < settledAt) {
      burst.failures = 0
      putBurstBack(state, burst, settledAt)
    } else {
      const asks = { events, policy: verdict.policy }
      const isWanted = ({ target }: TargetPlan) => !isServed(state, target, asks) || !patched('served-wants')
      const targets = verdict.plan?.targets.filter(isWanted) ?? []
      const busy = targets.filter(({ target }) => isBlocked(state, target))
      const reason = 'its lane was busy when an event asked for an archive'
      const later = busy.map(({ target }) => target)
      wantLater(state, later, { slot, events, lastPolicy, reason, at: Date.now() })
      const plan = verdict.plan && { ...verdict.plan, targets }
      await start({ ...verdict, plan }, { slot, events, lastPolicy, failures: 0, deferrals: 0 })
    }
  }

  async function decideWant({ want, targets }: NonNullable<ReturnType<typeof ripeWants>>): Promise<void> {
    const { slot, events, failures, deferrals, lastPolicy = state.policy } = want
    const manual = slot.startsWith(manualSlotPrefix)
    const verdict = await assess(state, request(slot, { events, targets, manual, lastPolicy }), assessedBy)
    if (verdict === null || verdict.kind === 'wait') {
      const at = windowOf(verdict) ?? Date.now() + backoffMs(failures + 1)
      for (const target of targets) state.wants[target] = { ...want, at }
      return
    }
    // a lane that was taken meanwhile keeps its want
    for (const target of targets) if (verdict.plan === null || !isBlocked(state, target)) dropWant(state, target)
    await start(verdict, { slot, events, lastPolicy, failures, deferrals })
  }

  async function decideAsked(asked: VolumeState['asked'][number]): Promise<void> {
    const { slot } = asked
    const verdict = await assess(state, request(slot, { manual: true, targets: asked.targets }), assessedBy)
    asked.targets = verdict?.plan?.targets.map(({ target }) => target) ?? asked.targets
    if (verdict?.plan && asked.targets?.some((target) => isBlocked(state, target))) return
    state.asked = state.asked.filter((one) => one !== asked)
    if (verdict?.plan) await start(verdict, { slot, events: [], failures: 0, deferrals: 0 })
    else state.refused = [...state.refused, { slot, reasons: state.lastReasons }].slice(-16)
  }

  async function verify(verification: VolumeState['verifications'][number]): Promise<void> {
    const { point } = verification
    const copies = state.points.find((one) => one.point === point)?.copies ?? []
    await startVerification({ volumeId, copies, verification, name: state.name, project: state.project })
    state.verifications = state.verifications.filter((one) => one !== verification)
  }

  function request(slot: string, what: Partial<AssessRequest>): AssessRequest {
    return {
      volumeId,
      slot,
      attempt: nextTry(state, slot),
      events: [],
      manual: false,
      targets: null,
      last: lastAsked(state, what, Date.now()),
      lastPolicy: state.policy,
      ...what,
    }
  }

  /** Starts what the verdict plans on the lanes that are free; none: nothing. */
  async function start(
    { plan, volume, policy, policyHash }: Verdict,
    why: Pick<RunningArchive, 'slot' | 'events' | 'lastPolicy' | 'failures' | 'deferrals'>,
  ): Promise<void> {
    const targets = plan?.targets.filter(({ target }) => !isBlocked(state, target)) ?? []
    if (plan === null || volume === null || targets.length === 0) return
    const attempt = nextTry(state, why.slot)
    const archive: RunningArchive = {
      ...why,
      attempt,
      startedAt: Date.now(),
      heartbeatSeconds: plan.pace.heartbeatSeconds,
      archive: archiveWorkflowId(volumeId, why.slot, attempt),
      archiveId: plan.archiveId,
      targets: targets.map(({ target }) => target),
      ...(plan.capturedBy !== undefined && { capturedBy: plan.capturedBy }),
      ...((plan.consistency.prefer.includes('frozen') || plan.server !== undefined) && { mayFreeze: true as const }),
    }
    holdLanes(state, archive)
    const first = isFirstCopy(state.points, archive.targets)
    const handle = await startArchive(volume, { policy, policyHash }, { ...plan, targets }, archive, first)
    inBackground(follow(archive, handle))
  }

  async function follow(archive: RunningArchive, handle: ArchiveHandle | null): Promise<void> {
    const { outcome, isUndone, ...end } = await followArchive(volumeId, archive, handle)
    // what it did achieve nobody told: the targets know
    if (outcome === null) state.rebuilding = [...new Set([...(state.rebuilding ?? []), ...archive.targets])]
    if (!isUndone) state.leftovers.push(archive)
    endArchive(state, archive, outcome, { now: Date.now(), ...end })
    if (outcome === null) await Promise.all(archive.targets.map(rebuildOne))
    endedArchives += 1
  }
}

/** When the policy's window opens, if that is what a verdict waits for: milliseconds since the epoch. */
function windowOf(verdict: Verdict | null): number | null {
  if (verdict?.kind !== 'wait' || verdict.waitUntil === null) return null
  return Math.max(Date.parse(verdict.waitUntil), Date.now() + windowPauseMs)
}

/** Background work ends by itself and never fails: whatever it throws is a bug, and is told. */
function inBackground(work: Promise<void>): void {
  work.catch((error: unknown) => {
    log.error('background work of a volume failed', { error })
  })
}
