import {
  allHandlersFinished,
  CancellationScope,
  condition,
  getExternalWorkflowHandle,
  isCancellation,
  log,
  makeContinueAsNewFunc,
  proxyActivities,
  setHandler,
  sleep,
  upsertMemo,
  workflowInfo,
} from '@temporalio/workflow'
import type { ControlActivities } from '../activities/control-activities.js'
import { checkPause, checkResume, isPermitRequest } from './check-messages.js'
import {
  pausedMemo,
  pauseUpdate,
  permitGrantedSignal,
  permitReasonsQuery,
  permitReleasedSignal,
  permitRequestedSignal,
  permitsQuery,
  resumeUpdate,
} from './permit-messages.js'
import type { Holder, PermitsState } from './permits-state.js'
import {
  adopt,
  ask,
  carry,
  freshPermits,
  give,
  grantAll,
  pauseScope,
  reasonsFor,
  resumeScope,
  statusOf,
} from './permits-state.js'
import { showPermits } from './show-permits.js'

const looking = proxyActivities<Pick<ControlActivities, 'findHolders' | 'endedArchives' | 'tellBrakes'>>({
  startToCloseTimeout: '10 minutes',
  heartbeatTimeout: '1 minute',
  retry: { initialInterval: '1 second', backoffCoefficient: 2, maximumInterval: '1 minute' },
})

/** Whether holders still run is looked at this often; nobody who is asked has held for less. */
const lookEveryMs = 60_000
/** Long before the server would ask for it: what a run replays stays small, and so does what is copied to the next. */
const eventsPerRun = 2000
/** Nobody asked or gave back for so long: a good moment to begin a new run. */
const quietMs = 1000
/**
 * When a brake is released thousands may go on at once: to choose among them takes milliseconds each, of which a workflow
 * has seconds in one go; and of signals under way it may have 2,000.
 */
const grantsAtOnce = 50
/** How many of those that wait the query lists. */
const listed = 200

/**
 * The one that says who may use targets, backends and policies now, and what is paused. One for all scopes, so that an
 * archive gets all that it needs at once. It lives for ever; a run that starts without carried state asks first which
 * archives run, and what was paused. Cancel in the UI means the same.
 * @param carried what the previous run knew; absent when somebody else started it
 */
export async function permits(carried?: PermitsState): Promise<void> {
  const state = carried ?? freshPermits()
  const run = { known: carried !== undefined, cancelled: false, changed: true }
  /** Signals and acts that were begun: what they say must not be lost between two runs. */
  let inFlight = 0
  /** Grants that are being told. */
  let telling = 0
  let signals = 0
  /** While nobody knows yet who holds permits, the list that is read may still have those. */
  const givenBack = new Set<string>()
  let shown = ''

  setHandler(permitRequestedSignal, (request: unknown) => {
    if (!isPermitRequest(request)) return
    signals += 1
    const known = ask(state, request)
    if (known === 'new') run.changed = true
    else if (known !== 'waits') inBackground(tellGranted(known))
  })
  setHandler(permitReleasedSignal, (released: { archive?: string } | null | undefined) => {
    const archive = released?.archive
    if (archive === undefined) return
    signals += 1
    give(state, archive)
    if (!run.known) givenBack.add(archive)
    run.changed = true
  })
  setHandler(permitsQuery, () => statusOf(state, listed))
  setHandler(permitReasonsQuery, (archive) => reasonsFor(state, archive))
  // what the run before had paused is to be known first, or it could not be resumed
  setHandler(
    pauseUpdate,
    async ({ scope, by, reason }) => {
      await condition(() => run.known)
      const at = new Date(Date.now()).toISOString()
      return braked(pauseScope(state, scope, { by, reason, at }, Date.now()))
    },
    { validator: checkPause },
  )
  setHandler(
    resumeUpdate,
    async ({ scope }) => {
      await condition(() => run.known)
      return braked(resumeScope(state, scope, Date.now()))
    },
    { validator: checkResume },
  )

  CancellationScope.current().cancelRequested.catch((error: unknown) => {
    if (isCancellation(error)) run.cancelled = true
  })
  await CancellationScope.nonCancellable(live)

  async function live(): Promise<void> {
    if (!run.known) await rebuild()
    inBackground(lookAfterHolders(), false)
    inBackground(tellBrakes(), false)
    for (;;) {
      run.changed = false
      const granted = grantAll(state, Date.now(), grantsAtOnce - telling)
      for (const holder of granted) inBackground(tellGranted(holder))
      shown = showPermits(state, shown)
      const isFull = telling >= grantsAtOnce
      await condition(() => (isFull ? telling < grantsAtOnce / 2 : run.changed) || mayEnd())
      // the state is copied in the same breath as it is handed over: no signal can come between
      if (mayEnd() && (await isQuiet()) && mayEnd()) return continueAsNew()
    }
  }

  /**
   * A signal that comes while a run ends makes the server refuse its end, and the worker replay all of it; what comes
   * meanwhile makes it worse. So a run ends in a quiet moment; the longer it is, the shorter a moment will do.
   */
  async function isQuiet(): Promise<boolean> {
    const excess = workflowInfo().historyLength / eventsPerRun
    const before = signals
    const disturbed = await condition(() => signals !== before, quietMs / Math.max(excess, 1))
    return !disturbed
  }

  function isLong(): boolean {
    return run.cancelled || workflowInfo().historyLength > eventsPerRun || workflowInfo().continueAsNewSuggested
  }

  function mayEnd(): boolean {
    return isLong() && inFlight === 0 && allHandlersFinished()
  }

  /** Nothing is granted before it is known who holds what. */
  async function rebuild(): Promise<void> {
    const summary = 'which archives hold permits, and what was paused'
    const found = await looking.findHolders.executeWithOptions({ summary }, [{ runId: workflowInfo().runId }])
    const holders = found.holders.filter(({ archive }) => !givenBack.has(archive))
    adopt(state, holders, Date.now())
    for (const [scope, pause] of Object.entries(found.paused)) pauseScope(state, scope, pause, Date.now())
    upsertMemo({ [pausedMemo]: state.paused })
    run.known = true
  }

  function braked(was: boolean): { changed: boolean } {
    upsertMemo({ [pausedMemo]: state.paused })
    run.changed = true
    return { changed: was }
  }

  /** One that has ended meanwhile holds nothing. */
  async function tellGranted({ archive }: Holder): Promise<void> {
    telling += 1
    try {
      await getExternalWorkflowHandle(archive).signal(permitGrantedSignal)
    } catch (error) {
      log.info('who waited for a permit has ended', { entity: archive, reason: String(error) })
      give(state, archive)
      run.changed = true
    } finally {
      telling -= 1
    }
  }

  /** Whoever was terminated cannot give back what it held. */
  async function lookAfterHolders(): Promise<never> {
    for (;;) {
      await condition(() => state.holders.length > 0)
      await sleep(lookEveryMs)
      const before = Date.now() - lookEveryMs
      const archives = state.holders.filter(({ grantedAt }) => grantedAt <= before).map(({ archive }) => archive)
      if (archives.length === 0) continue
      await counted(async () => {
        const summary = `whether ${archives.length} holders still run`
        const ended = await looking.endedArchives.executeWithOptions({ summary }, [{ archives }])
        for (const archive of ended) give(state, archive)
        if (ended.length > 0) run.changed = true
      })
    }
  }

  /** One after the other, so that what is told last is how it stands. */
  async function tellBrakes(): Promise<never> {
    for (;;) {
      await condition(() => state.tellings.length > 0)
      const next = state.tellings[0]
      if (next === undefined) continue
      const early = next.at - Date.now()
      if (early > 0) {
        await condition(() => state.tellings[0] !== next, early)
        continue
      }
      state.tellings.shift()
      await counted(async () => {
        const paused = state.paused[next.scope] ?? null
        const summary = `${next.scope} is ${paused === null ? 'open' : 'paused'}`
        await looking.tellBrakes.executeWithOptions({ summary }, [{ scope: next.scope, paused }])
      })
    }
  }

  function inBackground(work: Promise<unknown>, awaited = true): void {
    const watched = awaited ? counted(async () => work) : work
    watched.catch((error: unknown) => {
      log.error('permits: unexpected', { reason: String(error) })
    })
  }

  async function counted(work: () => Promise<unknown>): Promise<void> {
    inFlight += 1
    try {
      await work()
    } finally {
      inFlight -= 1
    }
  }

  async function continueAsNew(): Promise<never> {
    const next = makeContinueAsNewFunc<typeof permits>({ memo: { [pausedMemo]: state.paused } })
    // after Cancel everything is asked anew, but what is paused stays so: the memo tells it
    return run.cancelled ? next() : next(carry(state))
  }
}
