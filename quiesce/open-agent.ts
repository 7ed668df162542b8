import { setTimeout as delay } from 'node:timers/promises'
import type { QuiesceActivities } from '../workflows/quiesce-messages.js'
import type { AgentOptions, AgentState } from './agent-state.js'
import { monotonicMs } from './clock.js'
import { freezeGuest } from './freeze-guest.js'
import { thawByWatchdog } from './guard-entry.js'
import { claimEnd, isOpen, listEntries, makeLedger, pruneLedger, type Entry } from './ledger.js'
import { thawGuest } from './thaw-guest.js'

export interface Agent {
  acts: QuiesceActivities
  /** Freezes nothing more, and thaws what is frozen. What a guest does not confirm in time stays with its watchdog. */
  end(): Promise<void>
}

/** So long the start and the end wait for guests; their watchdogs go on after that. */
const waitsMs = 15_000
const pruneEveryMs = 3600_000

/**
 * The agent of one compute host. First of all it thaws what an earlier one left frozen, also before a reboot.
 * @throws CodedError `CK-QUIESCE-LEDGER` when its directory cannot be used
 */
export async function openAgent(options: AgentOptions): Promise<Agent> {
  const agent: AgentState = { ...options, held: new Map(), ending: false }
  await makeLedger(agent.dir)
  await thawLeftOver(agent)
  const pruning = keepPruned(agent)
  return {
    acts: {
      freezeServer: (request) => freezeGuest(agent, request),
      thawServer: (request) => thawGuest(agent, request),
    },
    async end() {
      agent.ending = true
      clearInterval(pruning)
      await thawAll(agent)
    },
  }
}

async function thawLeftOver(agent: AgentState): Promise<void> {
  const left = await listEntries(agent.dir)
  for (const entry of left) {
    agent.log.warn({ server: entry.server }, 'an earlier agent left a freeze behind: its guest is thawed')
    await decideEnded(agent, entry, 'the agent was started anew, and the guest was thawed')
    void thawByWatchdog(agent, entry)
  }
  await awaitThawed(agent, left)
}

async function thawAll(agent: AgentState): Promise<void> {
  const held = [...agent.held.values()]
  for (const one of held) {
    // a thaw that is going on may still say that it was kept
    if (one.thawing === null) await decideEnded(agent, one, 'the agent was ended, and the guest was thawed')
    one.givenUp.abort()
  }
  await Promise.all(held.map(async (one) => (one.thawing ?? one.settled).catch(() => undefined)))
  for (const one of held) one.release()
  await awaitThawed(agent, held)
}

async function decideEnded(
  { dir, log }: AgentState,
  { server, token }: Pick<Entry, 'server' | 'token'>,
  message: string,
): Promise<void> {
  const reason = { code: 'CK-QUIESCE-NOT-FROZEN', message }
  try {
    await claimEnd(dir, { server, token, kept: false, reason, heldMs: null })
  } catch (error) {
    // a full disk keeps no guest frozen
    log.error({ server, err: error }, 'the end of a freeze could not be written down')
  }
}

async function awaitThawed({ dir, log }: AgentState, entries: Pick<Entry, 'server' | 'token'>[]): Promise<void> {
  const untilMs = monotonicMs() + waitsMs
  for (const entry of entries) {
    while ((await isOpen(dir, entry)) && monotonicMs() < untilMs) await delay(50)
    if (await isOpen(dir, entry)) {
      const { server } = entry
      log.error(
        { server, code: 'CK-QUIESCE-NOT-THAWED' },
        'a guest does not say that it is thawed; its watchdog goes on',
      )
    }
  }
}

function keepPruned({ dir, log }: AgentState): NodeJS.Timeout {
  const prune = () => {
    pruneLedger(dir, Date.now()).catch((error: unknown) => {
      log.warn({ err: error }, 'old entries of the ledger could not be removed')
    })
  }
  prune()
  return setInterval(prune, pruneEveryMs).unref()
}
