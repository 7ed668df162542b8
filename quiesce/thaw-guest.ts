import { setTimeout as delay } from 'node:timers/promises'
import type { Thawed, ThawRequest } from '../workflows/quiesce-messages.js'
import type { AgentState, Held } from './agent-state.js'
import { checkIds } from './check-ids.js'
import { bootId, monotonicMs } from './clock.js'
import { thawByWatchdog } from './guard-entry.js'
import { claimEnd, closeEntry, isOpen, listEntries, writeEntry, type End, type Entry } from './ledger.js'
import { quiesceError } from './quiesce-error.js'
import { thawUntilOver, type Over } from './thaw-until-over.js'

/** Then the answer is that the guest cannot be told to be thawed, and the question is asked again. */
const answersWithinMs = 15_000

/**
 * Thaws what was frozen by this token, and nothing else; leaves a tombstone, so that its freeze cannot come later.
 * How the freeze ended is decided once: asked again, the answer is the same.
 * @throws CodedError `CK-QUIESCE-NOT-THAWED` when it cannot be told that the guest is thawed; to be tried again
 */
export async function thawGuest(agent: AgentState, request: ThawRequest): Promise<Thawed> {
  const { server, token } = checkIds(request)
  const untilMs = monotonicMs() + answersWithinMs
  const held = agent.held.get(token)
  if (held !== undefined && held.server !== server) {
    throw quiesceError('CK-QUIESCE-REQUEST', `this token froze another server than ${server}`)
  }
  if (held?.frozen != null) {
    held.thawing ??= thawHeld(agent, held, untilMs).finally(() => (held.thawing = null))
    return thawedAs(await held.thawing, request)
  }
  const end = await claimEnd(agent.dir, notFrozen(server, token, held !== undefined))
  if (held === undefined && request.movedFrom !== undefined) await thawMoved(agent, { server, token })
  held?.givenUp.abort()
  await held?.settled
  await awaitClosed(agent, { server, token }, untilMs)
  return thawedAs(end, request)
}

async function thawHeld(agent: AgentState, held: Held, untilMs: number): Promise<End> {
  const { dir, virsh } = agent
  const { server, token, entry } = held
  if (entry === null) throw new Error('what is frozen is in the ledger')
  const over = await thawUntilOver({ dir, virsh, entry }, untilMs)
  if (over === null) throw notThawed(server)
  const end = await claimEnd(dir, { server, token, run: held.run, ...judge(held, entry, over) })
  await closeEntry(dir, entry)
  held.release()
  agent.held.delete(token)
  agent.log.info(
    { server, kept: end.kept, ms: end.heldMs ?? 0, ...(end.reason !== null && { code: end.reason.code }) },
    'a guest is thawed',
  )
  return end
}

/** What the thaw says of the freeze; somebody else may have decided before. */
function judge(held: Held, entry: Entry, over: Over): Omit<End, 'server' | 'token'> {
  const now = monotonicMs()
  const heldMs = now - (held.startedMs ?? now)
  const filesystems = held.frozen?.filesystems ?? 0
  const broken = (code: string, message: string) => ({ kept: false, reason: { code, message }, heldMs })
  if (over.how === 'no-domain') return broken('CK-QUIESCE-NO-DOMAIN', 'the server left this host while it was frozen')
  if (over.how === 'shut-off') return broken('CK-QUIESCE-NOT-RUNNING', 'the server was stopped while it was frozen')
  if (over.how !== 'thawed') return broken('CK-QUIESCE-NOT-FROZEN', 'no freeze by this token is known any more')
  if (now >= entry.deadlineMs) {
    return broken('CK-QUIESCE-CUT-SHORT', `the thaw came after ${entry.limitSeconds} s, the longest allowed`)
  }
  if (over.filesystems !== filesystems) {
    const message = `${filesystems} filesystems were frozen, and ${over.filesystems} were still: the guest thawed by itself`
    return broken('CK-QUIESCE-THAWED-EARLY', message)
  }
  return { kept: true, reason: null, heldMs }
}

/** Frozen on another host, whose ledger cannot help here: a watchdog thaws until nothing is frozen. */
async function thawMoved(agent: AgentState, { server, token }: Pick<Entry, 'server' | 'token'>): Promise<void> {
  // asked again, or frozen here since by a freeze that has its own watchdog
  if ((await listEntries(agent.dir)).some((other) => other.server === server)) return
  const entry = { server, token, boot: await bootId(), deadlineMs: monotonicMs(), limitSeconds: 0 }
  await writeEntry(agent.dir, entry)
  agent.log.warn({ server }, 'a guest that was migrated while it was frozen is thawed')
  void thawByWatchdog(agent, entry)
}

/** Somebody else thaws it, or it was never frozen. */
async function awaitClosed(
  { dir }: AgentState,
  entry: Pick<Entry, 'server' | 'token'>,
  untilMs: number,
): Promise<void> {
  while (await isOpen(dir, entry)) {
    if (monotonicMs() >= untilMs) throw notThawed(entry.server)
    await delay(50)
  }
}

function notFrozen(server: string, token: string, begun: boolean): End {
  const message = begun ? 'the thaw came before the guest was frozen' : 'no freeze by this token is known'
  return { server, token, kept: false, reason: { code: 'CK-QUIESCE-NOT-FROZEN', message }, heldMs: null }
}

function notThawed(server: string): Error {
  return quiesceError('CK-QUIESCE-NOT-THAWED', `server ${server}: the guest does not say that it is thawed`)
}

/** What was frozen for one run is over when the workflow is reset: the next one takes its snapshots later. */
function thawedAs({ kept, reason, heldMs, run }: End, request: ThawRequest): Thawed {
  if (!kept || run === request.run) return { kept, reason, heldMs }
  const message = 'it was frozen and thawed for an earlier run of the workflow, which was reset'
  return { kept: false, reason: { code: 'CK-QUIESCE-NOT-FROZEN', message }, heldMs }
}
