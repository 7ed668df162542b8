import { CancellationScope, condition, proxyActivities, sleep, uuid4, workflowInfo } from '@temporalio/workflow'
import { failureOf, workerAway } from './failure-of.js'
import type { FreezeServer } from './freeze-messages.js'
import { type QuiesceActivities, quiesceQueue, type Thawed } from './quiesce-messages.js'
import { thawMoved } from './thaw-moved.js'

/** An agent that is there takes its work at once; one that is not is not waited for. */
const takenWithin = '5 seconds'
/** Someone else freezes the guest, for another volume perhaps: that lasts a moment. */
const alreadyFrozen = { code: 'CK-QUIESCE-ALREADY-FROZEN', tries: 5, pauseMs: 3000 }

/** Shares of the limit: servers that are frozen wait so long for others, */
const othersWait = 0.3
/** and the act should be over so long after the freeze was asked for: the thaw must come before the agents' own. */
const actWithin = 0.8

interface Failure {
  code: string
  message: string
}

/** The code of a freeze that nobody took from the hypervisor's queue. */
export const agentAway = 'CK-QUIESCE-AGENT-AWAY'

/** What is done under a freeze. */
export interface ActUnderFreeze<M, T> {
  /** What it can be done with when these servers are frozen; with nothing it is not begun. */
  heldBy: (frozen: FreezeServer[]) => M[]
  /** @param withinMs so long it may take; a tenth of the limit later the agents are about to thaw */
  act: (some: M[], withinMs: number) => Promise<T>
}

/** What an act under a freeze gave, and which servers were frozen from before it until after it. */
export interface UnderFreeze<T> {
  /** null: too few servers could be frozen, and it was not begun. */
  result: T | null
  kept: FreezeServer[]
  /** Why not the others; for people. */
  reasons: string[]
}

/**
 * Freezes servers by their hosts' agents, does something, and thaws them, whatever happens meanwhile. One that cannot be
 * frozen, or not in time, takes the freeze from no other. A freeze is asked for once only (but for guests that somebody else
 * has frozen), and never again after its answer was lost: its token is given back in any case, after which the agent freezes
 * for it no more. What keeps a guest from staying frozen is the agent's own watchdog, not this.
 */
export async function underFreeze<M, T>(
  servers: FreezeServer[],
  limitSeconds: number,
  acts: ActUnderFreeze<M, T>,
): Promise<UnderFreeze<T>> {
  for (let tries = 1; ; tries += 1) {
    const isLast = tries === alreadyFrozen.tries
    const { isBusy, ...done } = await freezeOnce(servers, limitSeconds, acts, isLast)
    if (!isBusy || isLast) return done
    // two that collide do not do so again and again
    await sleep(alreadyFrozen.pauseMs * (0.5 + Math.random()))
  }
}

async function freezeOnce<M, T>(
  servers: FreezeServer[],
  limitSeconds: number,
  { heldBy, act }: ActUnderFreeze<M, T>,
  isLast: boolean,
): Promise<UnderFreeze<T> & { isBusy: boolean }> {
  // the ledger of a host that runs two of them knows a freeze by its token
  const tokens = new Map(servers.map((server) => [server, uuid4()]))
  const tokenOf = (server: FreezeServer) => tokens.get(server) ?? ''
  const askedAt = Date.now()
  const answers = new Map<FreezeServer, Failure | null>()
  const asking = servers.map(async (server) => {
    answers.set(server, await failureToFreeze(server, tokenOf(server), limitSeconds))
  })
  const failures: Failure[] = []
  const kept: FreezeServer[] = []
  let frozen: FreezeServer[] = []
  let result: T | null = null
  try {
    const areAll = () => answers.size === servers.length
    if (servers.length > 1) await condition(areAll, limitSeconds * 1000 * othersWait)
    else await Promise.all(asking)
    frozen = servers.filter((server) => answers.get(server) === null)
    for (const server of servers) if (!frozen.includes(server)) failures.push(answers.get(server) ?? tooSlow(server))
    const withinMs = Math.floor(limitSeconds * 1000 * actWithin - (Date.now() - askedAt))
    const some = heldBy(frozen)
    if (some.length > 0 && (isLast || !isBusy(failures))) {
      if (withinMs > 0) result = await act(some, withinMs)
      else failures.push(noTime(limitSeconds))
    }
  } catch (error) {
    failures.push(failureOf(error))
    if (CancellationScope.current().consideredCancelled) throw error
  } finally {
    await CancellationScope.nonCancellable(async () => {
      // what nobody took, nobody will
      const begun = servers.filter((server) => answers.get(server)?.code !== agentAway)
      const thaws = begun.map(async (server) => {
        const wasFrozen = frozen.includes(server)
        const { kept: isKept, reason } = await thaw(server, tokenOf(server), { limitSeconds, wasFrozen })
        if (isKept && wasFrozen) kept.push(server)
        // why it was not frozen is said already
        const isSaid = !wasFrozen && ['CK-QUIESCE-NOT-FROZEN', workerAway].includes(reason?.code ?? '')
        if (reason !== null && !isSaid) failures.push(reason)
      })
      await Promise.all([...thaws, ...asking])
    })
  }
  // what an agent says of a freeze that did not last has no code in its text
  const reasons = failures.map(({ code, message }) => (message.startsWith('CK-') ? message : `${code}  ${message}`))
  return { result, kept, reasons, isBusy: isBusy(failures) }
}

const isBusy = (failures: Failure[]): boolean => failures.some(({ code }) => code === alreadyFrozen.code)

/** null: it is frozen */
async function failureToFreeze(server: FreezeServer, token: string, limitSeconds: number): Promise<Failure | null> {
  try {
    await freeze(server, token, limitSeconds)
    return null
  } catch (error) {
    const failure = failureOf(error)
    return failure.code === workerAway ? notTaken(server) : failure
  }
}

function tooSlow({ name, id }: FreezeServer): Failure {
  const code = 'CK-QUIESCE-TOO-LATE'
  return { code, message: `${code}  server ${name || id} was not frozen in time, and the others did not wait for it` }
}

async function freeze({ id, name, hypervisor }: FreezeServer, token: string, limitSeconds: number): Promise<void> {
  const { freezeServer } = proxyActivities<QuiesceActivities>({
    taskQueue: quiesceQueue(hypervisor ?? ''),
    scheduleToStartTimeout: takenWithin,
    startToCloseTimeout: `${limitSeconds + 5} seconds`,
    retry: { maximumAttempts: 1 },
  })
  await freezeServer.executeWithOptions({ summary: `freeze ${name || id}` }, [
    { serverId: id, token, run: workflowInfo().runId, limitSeconds },
  ])
}

function notTaken({ name, id, hypervisor }: FreezeServer): Failure {
  const code = agentAway
  const message = `${code}  no agent on ${hypervisor ?? 'its hypervisor'} took the freeze of server ${name || id}
  Start it there (cinderkeep run --role quiesce), or see why it does not work.`
  return { code, message }
}

function noTime(limitSeconds: number): Failure {
  const code = 'CK-QUIESCE-TOO-LATE'
  return { code, message: `${code}  freezing took so long that of ${limitSeconds} s nothing was left for snapshots` }
}

interface Thawing {
  limitSeconds: number
  /** Its agent said so. */
  wasFrozen: boolean
}

/** When no answer comes for so long, the watchdog has thawed it, and the capture is not called frozen. */
async function thaw(server: FreezeServer, token: string, how: Thawing): Promise<Thawed> {
  const thawed = await thawOnHost(server, token, how)
  if (thawed.kept) return thawed
  try {
    await thawMoved(server, token, thawed.reason?.code ?? null)
    return thawed
  } catch (error) {
    const { code, message } = failureOf(error)
    const before = thawed.reason === null ? '' : `${thawed.reason.message}\n  `
    return { ...thawed, reason: { code: thawed.reason?.code ?? code, message: `${before}${message}` } }
  }
}

async function thawOnHost(
  { id, name, hypervisor }: FreezeServer,
  token: string,
  { limitSeconds, wasFrozen }: Thawing,
): Promise<Thawed> {
  const { thawServer } = proxyActivities<QuiesceActivities>({
    taskQueue: quiesceQueue(hypervisor ?? ''),
    startToCloseTimeout: '30 seconds',
    scheduleToCloseTimeout: `${2 * limitSeconds + 20} seconds`,
    // whoever does not take it has not taken the freeze either, or is dead: then the watchdog thaws
    ...(!wasFrozen && { scheduleToStartTimeout: takenWithin }),
    retry: { initialInterval: '500 milliseconds', backoffCoefficient: 2, maximumInterval: '5 seconds' },
  })
  try {
    const { runId: run } = workflowInfo()
    return await thawServer.executeWithOptions({ summary: `thaw ${name || id}` }, [{ serverId: id, token, run }])
  } catch (error) {
    return { kept: false, reason: failureOf(error), heldMs: null }
  }
}
