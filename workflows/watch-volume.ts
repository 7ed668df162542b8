import {
  ApplicationFailure,
  CancellationScope,
  condition,
  continueAsNew,
  isCancellation,
  log,
  setHandler,
  workflowInfo,
} from '@temporalio/workflow'
import { assess } from './assess.js'
import { followArchive, undoLeftover } from './follow-archive.js'
import type { ArchiveNow, AssessRequest, LaneFreed, RunningArchive, Verdict, VolumeState } from './messages.js'
import {
  archiveNowUpdate,
  archiveWorkflowId,
  copiedSignal,
  hintSignal,
  laneFreedSignal,
  manualSlot,
  pointsQuery,
  requestQuery,
  statusQuery,
} from './messages.js'
import { showVolume } from './show-volume.js'
import { beginRebuild, rebuildTarget } from './rebuild.js'
import type { ArchiveHandle } from './start-archive.js'
import { startArchive } from './start-archive.js'
import {
  addCopies,
  addHints,
  backoffMs,
  dropWant,
  endArchive,
  forgetPoints,
  freeLane,
  freshState,
  holdLanes,
  isBlocked,
  isFinished,
  nextAlarm,
  nextTry,
  protectionOf,
  putBurstBack,
  ripeWants,
  statusOf,
  takeBurst,
  wantLater,
} from './volume-state.js'

/** A fresh run gives its targets this long to answer before it archives to those that have. */
const rebuildGrace = '30 seconds'
/** Long before the server would ask for it: what an entity replays stays small. */
const eventsPerRun = 200
const leftoversAtOnce = 8

/**
 * One for each volume that a policy protects or of which copies exist: gathers hints, decides when to archive, holds
 * the recovery points. It serialises decisions, not bytes. It lives for years and survives everything that happens to
 * it: Cancel makes it read its points from the targets again, and a run without carried state does so first.
 * @param carried what the previous run knew; absent when somebody else started it
 */
export async function watchVolume(carried?: VolumeState): Promise<void> {
  const volumeId = workflowInfo().workflowId.slice('volume/'.length)
  // what an earlier release did not know of is fresh
  const state = { ...freshState(), ...carried }
  let endedArchives = 0
  let readAgain = false
  let shown = ''

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
  setHandler(pointsQuery, () => state.points)
  setHandler(statusQuery, () => statusOf(volumeId, state))
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
        if (!state.archives.some((known) => known.archive === archive.archive)) holdLanes(state, archive)
      }
      const known = [...state.archives, ...state.leftovers].map(({ archive }) => archive)
      state.leftovers.push(...found.terminated.filter(({ archive }) => !known.includes(archive)))
    }
    for (const target of state.rebuilding) inBackground(rebuildTarget(volumeId, target, state))
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
    const alarm = nextAlarm(state)
    // what the UI shows changes without work, too: the last target that was asked answers
    const protection = protectionOf(state)
    const isShown = () => nextAlarm(state) === alarm && protectionOf(state) === protection
    const wake = () => hasWork() || readAgain || runIsLong() || isFinished(state) || !isShown()
    if (alarm === null) await condition(wake)
    else await condition(wake, Math.max(alarm - Date.now(), 1))
  }

  function runIsLong(): boolean {
    return endedArchives > 0 || workflowInfo().historyLength > eventsPerRun
  }

  function hasWork(): boolean {
    const now = Date.now()
    const burstIsDue = state.burst !== null && state.burst.dueAt <= now
    return burstIsDue || askedAndFree() !== undefined || ripeWants(state, now) !== null
  }

  /** A person's request waits until all its lanes are free, so that one archive serves it. */
  function askedAndFree() {
    return state.asked.find(({ targets }) => targets?.every((one) => !isBlocked(state, one)) ?? true)
  }

  async function decide(): Promise<void> {
    const asked = askedAndFree()
    if (asked !== undefined) return decideAsked(asked)
    if (state.burst !== null && state.burst.dueAt <= Date.now()) return decideBurst()
    const ripe = ripeWants(state, Date.now())
    if (ripe !== null) await decideWant(ripe)
  }

  async function decideBurst(): Promise<void> {
    const burst = takeBurst(state)
    if (burst === null) return
    const { slot, events } = burst
    const verdict = await assess(state, request(slot, { events }))
    const settledAt = burst.firstAt + (verdict?.settleSeconds ?? 0) * 1000
    if (verdict === null || verdict.kind === 'wait') {
      burst.failures += 1
      putBurstBack(state, burst, Date.now() + backoffMs(burst.failures))
    } else if (verdict.plan !== null && Date.now() < settledAt) {
      burst.failures = 0
      putBurstBack(state, burst, settledAt)
    } else {
      const busy = verdict.plan?.targets.filter(({ target }) => isBlocked(state, target)) ?? []
      const reason = 'its lane was busy when an event asked for an archive'
      wantLater(
        state,
        busy.map(({ target }) => target),
        { slot, events, reason, at: Date.now() },
      )
      await start(verdict, { slot, events, failures: 0 })
    }
  }

  async function decideWant({ want, targets }: NonNullable<ReturnType<typeof ripeWants>>): Promise<void> {
    const { slot, events, failures } = want
    const verdict = await assess(state, request(slot, { events, targets }))
    if (verdict === null || verdict.kind === 'wait') {
      for (const target of targets) state.wants[target] = { ...want, at: Date.now() + backoffMs(failures + 1) }
      return
    }
    // a lane that was taken meanwhile keeps its want
    for (const target of targets) if (verdict.plan === null || !isBlocked(state, target)) dropWant(state, target)
    await start(verdict, { slot, events, failures })
  }

  async function decideAsked(asked: VolumeState['asked'][number]): Promise<void> {
    const { slot } = asked
    const verdict = await assess(state, request(slot, { manual: true, targets: asked.targets }))
    asked.targets = verdict?.plan?.targets.map(({ target }) => target) ?? asked.targets
    if (verdict?.plan && asked.targets?.some((target) => isBlocked(state, target))) return
    state.asked = state.asked.filter((one) => one !== asked)
    if (verdict?.plan) await start(verdict, { slot, events: [], failures: 0 })
    else state.refused = [...state.refused, { slot, reasons: state.lastReasons }].slice(-16)
  }

  function request(slot: string, what: Partial<AssessRequest>): AssessRequest {
    return { volumeId, slot, attempt: nextTry(state, slot), events: [], manual: false, targets: null, ...what }
  }

  /** Starts what the verdict plans on the lanes that are free; none: nothing. */
  async function start(
    { plan, volume, policy, policyHash }: Verdict,
    why: Pick<RunningArchive, 'slot' | 'events' | 'failures'>,
  ): Promise<void> {
    const targets = plan?.targets.filter(({ target }) => !isBlocked(state, target)) ?? []
    if (plan === null || volume === null || targets.length === 0) return
    const attempt = nextTry(state, why.slot)
    const archive: RunningArchive = {
      ...why,
      attempt,
      heartbeatSeconds: plan.pace.heartbeatSeconds,
      archive: archiveWorkflowId(volumeId, why.slot, attempt),
      archiveId: plan.archiveId,
      targets: targets.map(({ target }) => target),
    }
    holdLanes(state, archive)
    const handle = await startArchive(volume, { policy, policyHash }, { ...plan, targets }, archive)
    inBackground(follow(archive, handle))
  }

  async function follow(archive: RunningArchive, handle: ArchiveHandle | null): Promise<void> {
    const { outcome, failure, retry, isUndone } = await followArchive(volumeId, archive, handle)
    // a person sees that it failed, and asks again
    const again = retry && !archive.slot.startsWith('manual:')
    // what it did achieve nobody told: the targets know
    if (outcome === null) state.rebuilding = [...new Set([...(state.rebuilding ?? []), ...archive.targets])]
    if (!isUndone) state.leftovers.push(archive)
    endArchive(state, archive, outcome, { now: Date.now(), retry: again, failure })
    if (outcome === null)
      await Promise.all(archive.targets.map(async (target) => rebuildTarget(volumeId, target, state)))
    endedArchives += 1
  }
}

function requestState(state: VolumeState, slot: string) {
  const refused = state.refused.find((one) => one.slot === slot)
  if (refused !== undefined) return { state: 'refused' as const, reasons: refused.reasons }
  if (state.asked.some((one) => one.slot === slot)) return { state: 'waiting' as const, reasons: state.lastReasons }
  const started = state.archives.some((one) => one.slot === slot) || state.points.some((point) => point.slot === slot)
  return { state: started ? ('started' as const) : ('unknown' as const), reasons: [] }
}

/** Anybody can send an update in the UI: one that makes no sense is refused, and stops nothing. */
function checkArchiveNow(request: Partial<Record<keyof ArchiveNow, unknown>> | null | undefined): void {
  const { id, targets } = request ?? {}
  const areNames = targets === null || (Array.isArray(targets) && targets.every((one) => typeof one === 'string'))
  if (typeof id === 'string' && id !== '' && areNames) return
  throw ApplicationFailure.nonRetryable('archiveNow wants {id: <UUID>, targets: <names> or null}', 'CK-USAGE')
}

/** Background work ends by itself and never fails: whatever it throws is a bug, and is told. */
function inBackground(work: Promise<void>): void {
  work.catch((error: unknown) => {
    log.error('background work of a volume failed', { error })
  })
}
