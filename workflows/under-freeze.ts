import { CancellationScope, proxyActivities, sleep, uuid4 } from '@temporalio/workflow'
import { failureOf, workerAway } from './failure-of.js'
import type { FreezeServer } from './freeze-messages.js'
import { type QuiesceActivities, quiesceQueue, type Thawed } from './quiesce-messages.js'
import { thawMoved } from './thaw-moved.js'

/** An agent that is there takes its work at once; one that is not is not waited for. */
const takenWithin = '5 seconds'
/** Someone else freezes the guest, for another volume perhaps: that lasts a moment. */
const alreadyFrozen = { code: 'CK-QUIESCE-ALREADY-FROZEN', tries: 5, pauseMs: 3000 }

/** The code of a freeze that nobody took from the hypervisor's queue. */
export const agentAway = 'CK-QUIESCE-AGENT-AWAY'

/** What an act under a freeze gave, and whether all servers were frozen from before it until after it. */
export interface UnderFreeze<T> {
  /** null: the servers could not be frozen, and it was not begun. */
  result: T | null
  wasFrozen: boolean
  /** Why not; for people. */
  reasons: string[]
}

/**
 * Freezes servers by their hosts' agents, does something, and thaws them, whatever happens meanwhile. A freeze is asked for
 * once only (but for guests that somebody else has frozen), and never again after its answer was lost: its token is given
 * back in any case, after which the agent freezes for it no more. What keeps a guest from staying frozen is the agent's own
 * watchdog, not this.
 */
export async function underFreeze<T>(
  servers: FreezeServer[],
  limitSeconds: number,
  act: () => Promise<T>,
): Promise<UnderFreeze<T>> {
  for (let tries = 1; ; tries += 1) {
    const done = await freezeOnce(servers, limitSeconds, act)
    const isBusy = done.codes.includes(alreadyFrozen.code)
    if (!isBusy || tries === alreadyFrozen.tries) return done
    // two that collide do not do so again and again
    await sleep(alreadyFrozen.pauseMs * (0.5 + Math.random()))
  }
}

async function freezeOnce<T>(
  servers: FreezeServer[],
  limitSeconds: number,
  act: () => Promise<T>,
): Promise<UnderFreeze<T> & { codes: string[] }> {
  // the ledger of a host that runs two of them knows a freeze by its token
  const tokens = new Map(servers.map((server) => [server, uuid4()]))
  const tokenOf = (server: FreezeServer) => tokens.get(server) ?? ''
  const failures: { code: string; message: string }[] = []
  let result: T | null = null
  const begun = new Set<FreezeServer>()
  try {
    await Promise.all(
      servers.map(async (server) => {
        begun.add(server)
        try {
          await freeze(server, tokenOf(server), limitSeconds)
        } catch (error) {
          const failure = failureOf(error)
          const isAway = failure.code === workerAway
          failures.push(isAway ? notTaken(server) : failure)
          // nobody took it, and nobody will
          if (isAway) begun.delete(server)
        }
      }),
    )
    if (failures.length === 0) result = await act()
  } catch (error) {
    failures.push(failureOf(error))
    if (CancellationScope.current().consideredCancelled) throw error
  } finally {
    await CancellationScope.nonCancellable(async () => {
      const thawed = await Promise.all([...begun].map((server) => thaw(server, tokenOf(server), limitSeconds)))
      for (const { reason } of thawed) if (reason !== null) failures.push(reason)
    })
  }
  // what an agent says of a freeze that did not last has no code in its text
  const reasons = failures.map(({ code, message }) => (message.startsWith('CK-') ? message : `${code}  ${message}`))
  return { result, wasFrozen: failures.length === 0, reasons, codes: failures.map(({ code }) => code) }
}

async function freeze({ id, name, hypervisor }: FreezeServer, token: string, limitSeconds: number): Promise<void> {
  const { freezeServer } = proxyActivities<QuiesceActivities>({
    taskQueue: quiesceQueue(hypervisor ?? ''),
    scheduleToStartTimeout: takenWithin,
    startToCloseTimeout: `${limitSeconds + 5} seconds`,
    retry: { maximumAttempts: 1 },
  })
  await freezeServer.executeWithOptions({ summary: `freeze ${name || id}` }, [{ serverId: id, token, limitSeconds }])
}

function notTaken({ name, id, hypervisor }: FreezeServer): { code: string; message: string } {
  const code = agentAway
  const message = `${code}  no agent on ${hypervisor ?? 'its hypervisor'} took the freeze of server ${name || id}
  Start it there (cinderkeep run --role quiesce), or see why it does not work.`
  return { code, message }
}

/** When no answer comes for so long, the watchdog has thawed it, and the capture is not called frozen. */
async function thaw(server: FreezeServer, token: string, limitSeconds: number): Promise<Thawed> {
  const thawed = await thawOnHost(server, token, limitSeconds)
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

async function thawOnHost({ id, name, hypervisor }: FreezeServer, token: string, limit: number): Promise<Thawed> {
  const { thawServer } = proxyActivities<QuiesceActivities>({
    taskQueue: quiesceQueue(hypervisor ?? ''),
    startToCloseTimeout: '30 seconds',
    scheduleToCloseTimeout: `${2 * limit + 20} seconds`,
    retry: { initialInterval: '500 milliseconds', backoffCoefficient: 2, maximumInterval: '5 seconds' },
  })
  try {
    return await thawServer.executeWithOptions({ summary: `thaw ${name || id}` }, [{ serverId: id, token }])
  } catch (error) {
    return { kept: false, reason: failureOf(error), heldMs: null }
  }
}
