import { open } from 'node:fs/promises'
import type { Frozen, FreezeRequest } from '../workflows/quiesce-messages.js'
import type { AgentState, Held } from './agent-state.js'
import { askVirsh } from './ask-virsh.js'
import { checkIds } from './check-ids.js'
import { bootId, monotonicMs } from './clock.js'
import { guardEntry, thawByWatchdog } from './guard-entry.js'
import { claimEnd, closeEntry, isOpen, listEntries, readEnd, saidPath, writeEntry, type Entry } from './ledger.js'
import { quiesceError } from './quiesce-error.js'
import { inOneLine, readAnswer } from './read-answer.js'

/** How long libvirt may take to say whether a server runs. */
const domstateMs = 10_000

/**
 * Freezes a guest's filesystems, once. It is in the ledger, and a watchdog is ready, before `virsh` is started.
 * @throws CodedError `CK-QUIESCE-…`; the guest is not frozen then, or is being thawed until it is certain
 */
export async function freezeGuest(agent: AgentState, request: FreezeRequest): Promise<Frozen> {
  const held = hold(agent, request)
  const frozen = freezeHeld(agent, held, request.limitSeconds)
  held.settled = frozen.then(
    () => undefined,
    () => undefined,
  )
  return await frozen
}

/** At once, so that a thaw that comes while it is being frozen finds it. */
function hold(agent: AgentState, request: FreezeRequest): Held {
  const { server, token } = checkIds(request)
  if (!(request.limitSeconds > 0)) throw quiesceError('CK-QUIESCE-REQUEST', 'a freeze needs a limit above 0 seconds')
  if (agent.ending) throw quiesceError('CK-QUIESCE-FAILED', 'the agent is ending, it freezes nothing more')
  const others = [...agent.held.values()]
  if (others.some((other) => other.server === server || other.token === token)) throw frozenByUs(server)
  const held: Held = {
    ...{ server, token, run: request.run, entry: null, startedMs: null, frozen: null, thawing: null },
    ...{ givenUp: new AbortController(), settled: Promise.resolve(), release: () => undefined },
  }
  agent.held.set(token, held)
  return held
}

async function freezeHeld(agent: AgentState, held: Held, limitSeconds: number): Promise<Frozen> {
  try {
    await refuseEnded(agent, held)
    await requireRunning(agent, held)
    held.entry = await enter(agent, held, limitSeconds)
    await guardEntry(agent, held, held.entry)
    await refuseEnded(agent, held)
    const filesystems = await freeze(agent, held, held.entry)
    await refuseLate(agent, held, held.entry)
    held.frozen = { filesystems }
    agent.log.info({ server: held.server, filesystems, limit: held.entry.limitSeconds }, 'a guest is frozen')
    return held.frozen
  } catch (error) {
    await giveUp(agent, held, error)
    throw error
  }
}

/** The tombstone: the thaw of this token has come already, or something else has ended it. */
async function refuseEnded({ dir }: AgentState, held: Held): Promise<void> {
  const end = await readEnd(dir, held.token)
  refuseGivenUp(held.server, held.givenUp.signal)
  if (end === null) return
  throw quiesceError('CK-QUIESCE-TOO-LATE', `the freeze of ${held.server} had ended before it began`)
}

function refuseGivenUp(server: string, { aborted }: AbortSignal): void {
  if (aborted) throw quiesceError('CK-QUIESCE-TOO-LATE', `the freeze of ${server} was given up`)
}

async function requireRunning({ virsh }: AgentState, { server, givenUp }: Held): Promise<void> {
  const { text, exit } = await asked(
    askVirsh(virsh, ['domstate', server], { timeoutMs: domstateMs, signal: givenUp.signal }),
  )
  refuseGivenUp(server, givenUp.signal)
  if (exit === 0 && text.trim() === 'running') return
  if (exit === 0) throw quiesceError('CK-QUIESCE-NOT-RUNNING', `server ${server} is ${text.trim()}`)
  if (exit === null) throw quiesceError('CK-QUIESCE-UNREACHABLE', `libvirt does not say whether ${server} runs`)
  const answer = readAnswer({ text, exit })
  const code = answer.done ? 'CK-QUIESCE-FAILED' : answer.code
  throw quiesceError(code, `server ${server}: ${inOneLine(text)}`)
}

/** Into the ledger, unless another freeze of this server is still there. */
async function enter({ dir, limitSeconds: own }: AgentState, { server, token }: Held, asked: number): Promise<Entry> {
  const limitSeconds = Math.min(own, asked)
  const entry = { server, token, boot: await bootId(), deadlineMs: monotonicMs() + limitSeconds * 1000, limitSeconds }
  await writeEntry(dir, entry)
  // only now: of two agents that do so at once, at most one goes on
  const others = (await listEntries(dir)).filter((other) => other.server === server && other.token !== token)
  if (others.length === 0) return entry
  await closeEntry(dir, entry)
  throw frozenByUs(server)
}

async function freeze({ dir, virsh }: AgentState, held: Held, entry: Entry): Promise<number> {
  const said = await open(saidPath(dir, entry), 'w+', 0o600)
  try {
    // between this and the start of virsh nothing else can happen in this process
    refuseGivenUp(entry.server, held.givenUp.signal)
    const now = monotonicMs()
    if (now >= entry.deadlineMs) throw tooLate(entry.server)
    held.startedMs = now
    const timeoutMs = entry.deadlineMs - held.startedMs
    const { exit } = await asked(
      askVirsh(virsh, ['domfsfreeze', entry.server], { timeoutMs, signal: held.givenUp.signal, into: said.fd }),
    )
    const { buffer, bytesRead } = await said.read({ position: 0 })
    const answer = readAnswer({ exit, text: buffer.toString('utf8', 0, bytesRead) })
    if (answer.done && answer.filesystems > 0) return answer.filesystems
    if (answer.done) throw quiesceError('CK-QUIESCE-FAILED', `server ${entry.server}: the guest froze no filesystem`)
    if (!answer.surelyNot) refuseGivenUp(entry.server, held.givenUp.signal)
    else {
      // nothing to thaw; what may be frozen is not ours
      await closeEntry(dir, entry)
      held.entry = null
    }
    throw quiesceError(answer.code, `server ${entry.server}: ${answer.text}`)
  } finally {
    await said.close()
  }
}

async function refuseLate(agent: AgentState, held: Held, { deadlineMs }: Entry): Promise<void> {
  await refuseEnded(agent, held)
  if (monotonicMs() >= deadlineMs) throw tooLate(held.server)
}

/** Decides that it is not frozen; the watchdog sees to it, for as long as that takes. */
async function giveUp(agent: AgentState, held: Held, error: unknown): Promise<void> {
  const { dir, log } = agent
  const { server, token, entry, startedMs } = held
  const message = `it was not frozen: ${(error as Error).message}`
  const reason = { code: 'CK-QUIESCE-NOT-FROZEN', message }
  try {
    await claimEnd(dir, { server, token, kept: false, reason, heldMs: null })
    if (entry !== null && startedMs === null) await closeEntry(dir, entry)
    else if (entry !== null && !(await isOpen(dir, entry))) await thawAnew(agent, entry)
  } catch (cause) {
    log.error({ server, err: cause }, 'the end of a freeze could not be written down')
  }
  held.release()
  agent.held.delete(token)
}

/** Another agent, or a watchdog while this process stood still, has closed the entry before the freeze was done. */
async function thawAnew(agent: AgentState, entry: Entry): Promise<void> {
  await writeEntry(agent.dir, entry)
  void thawByWatchdog(agent, entry)
}

async function asked<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer
  } catch (cause) {
    throw quiesceError('CK-QUIESCE-FAILED', `virsh cannot be run: ${(cause as Error).message}`, cause)
  }
}

function tooLate(server: string): Error {
  return quiesceError('CK-QUIESCE-TOO-LATE', `server ${server} could not be frozen before its time was over`)
}

function frozenByUs(server: string): Error {
  const message = `server ${server} is being frozen, or is not yet known to be thawed after an earlier freeze`
  return quiesceError('CK-QUIESCE-ALREADY-FROZEN', message)
}
