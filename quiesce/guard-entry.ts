import { setTimeout as delay } from 'node:timers/promises'
import type { AgentState, Held } from './agent-state.js'
import { monotonicMs } from './clock.js'
import { claimEnd, isOpen, readEnd, type Entry } from './ledger.js'
import { quiesceError } from './quiesce-error.js'
import { startWatchdog, type Watchdog } from './start-watchdog.js'

/** A busy host starts processes slowly; a watchdog that only has to thaw is waited for in any case. */
const readyWithinMs = 60_000
/** After the deadline the watchdog is left so long alone with its work. */
const patienceMs = 3000

/**
 * Starts the watchdog of a freeze that is about to begin, and from then on watches the watchdog too: when it is killed or
 * stopped, another one thaws.
 * @throws CodedError `CK-QUIESCE-FAILED` when none is ready before the deadline: nothing may be frozen then
 */
export async function guardEntry(agent: AgentState, held: Held, entry: Entry): Promise<void> {
  let watchdog: Watchdog
  try {
    watchdog = await startWatchdog({ ...agent, entry }, entry.deadlineMs - monotonicMs())
  } catch (cause) {
    throw quiesceError('CK-QUIESCE-FAILED', `server ${held.server}: no watchdog could be started`, cause)
  }
  held.release = watchdog.release
  const late = setTimeout(() => void overdue(agent, held, entry), entry.deadlineMs + patienceMs - monotonicMs())
  late.unref()
  void watchdog.ended.then(async () => {
    clearTimeout(late)
    await watchdogEnded(agent, held, entry)
  })
}

/** Keeps a watchdog at work on a guest that is to be thawed now, until the ledger says that it is thawed. */
export async function thawByWatchdog(agent: AgentState, entry: Pick<Entry, 'server' | 'token'>): Promise<void> {
  for (;;) {
    try {
      const watchdog = await startWatchdog({ ...agent, entry }, readyWithinMs)
      watchdog.release()
      await watchdog.ended
    } catch (error) {
      agent.log.error({ server: entry.server, err: error }, 'a watchdog could not be started')
    }
    if (!(await isOpen(agent.dir, entry))) return
    await delay(1000, undefined, { ref: false })
  }
}

async function watchdogEnded(agent: AgentState, held: Held, entry: Entry): Promise<void> {
  if (await isOpen(agent.dir, entry)) await takeOver(agent, held, entry, 'its watchdog was killed')
  else await forget(agent, held)
}

async function overdue(agent: AgentState, held: Held, entry: Entry): Promise<void> {
  // most often the guest does not answer; a second one that asks it does no harm
  if (await isOpen(agent.dir, entry)) await takeOver(agent, held, entry, 'it was not thawed at its deadline')
}

async function takeOver(agent: AgentState, held: Held, entry: Entry, why: string): Promise<void> {
  const { server, token } = held
  agent.log.error({ server, code: 'CK-QUIESCE-CUT-SHORT' }, `a guest is thawed by another watchdog: ${why}`)
  const reason = { code: 'CK-QUIESCE-CUT-SHORT', message: `another watchdog thawed the guest: ${why}` }
  await claimEnd(agent.dir, { server, token, kept: false, reason, heldMs: null }).catch(() => undefined)
  held.givenUp.abort()
  await Promise.all([thawByWatchdog(agent, entry), forget(agent, held)])
}

/** How it ended is in the ledger. */
async function forget({ dir, held: all, log }: AgentState, held: Held): Promise<void> {
  await held.settled
  await held.thawing?.catch(() => undefined)
  all.delete(held.token)
  const end = await readEnd(dir, held.token).catch(() => null)
  if (end?.reason?.code === 'CK-QUIESCE-CUT-SHORT') {
    log.warn({ server: held.server, code: end.reason.code }, end.reason.message)
  }
}
