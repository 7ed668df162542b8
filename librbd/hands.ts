/** Does things with librbd through a process of our own (process.ts; docs/decisions/0017). */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { collectStderr } from '../source/collect-stderr.js'
import { CommandFailed, commandMissing } from '../source/command-errors.js'
import { isRbdComplaint } from '../source/rbd-command.js'
import type { Command } from '../source/run-command.js'
import type { ActName, Answer, Given } from './acts.js'
import type { Reply, Request } from './messages.js'
import type { Place } from './places.js'

export interface Hands {
  /**
   * @param timeoutMs null for what takes as long as the image is large
   * @throws CommandFailed as the `rbd` command fails: its exit code is an errno; or the signal's reason. After a failure of
   * the process or a timeout, every act fails.
   */
  do<Name extends ActName>(act: Name, given: Given<Name>, timeoutMs: number | null): Promise<Answer<Name>>
}

/** How long everything may take to be closed before the process is killed: at a good end, and at an abort. */
const leaveMs = { well: 5_000, aborted: 2_000 }
/** Acts that wait in another thread each take one. Its memory is what it moves: malloc would take as much again. */
const variables = ['UV_THREADPOOL_SIZE=32', 'MALLOC_ARENA_MAX=2']
/** And so would V8. */
const heap = ['--max-semi-space-size=2', '--max-old-space-size=128']

/**
 * Starts the process, acts, and ends the process: within five seconds, and two when the signal is aborted, whatever it does then.
 * @throws CommandFailed `CK-SOURCE-COMMAND`, or what the act throws
 */
export async function withHands<T>(signal: AbortSignal | undefined, act: (hands: Hands) => Promise<T>): Promise<T> {
  signal?.throwIfAborted()
  // `env` adds to what this process was started with, and becomes the program
  const child = spawn('env', [...variables, process.execPath, ...heap, program()], {
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    serialization: 'advanced',
  })
  const closed = once(child, 'close')
  closed.catch(() => undefined)
  if (child.stderr === null) throw new Error('unreachable: its stderr is a pipe')
  const stderr = collectStderr(child.stderr, isRbdComplaint)
  const open = new Map<
    number,
    { resolve: (answer: unknown) => void; reject: (error: unknown) => void; what: Command }
  >()
  let asked = 0
  let ending: unknown

  function fail(why: (what: Command) => unknown): void {
    for (const [id, { reject, what }] of open) {
      open.delete(id)
      reject(why(what))
    }
  }

  function failed(what: Command, exitCode: number | null, said?: string, how?: string): CommandFailed {
    // what the libraries remarked earlier on would be taken for this failure's reason; only a login's is told there alone
    const isLogin = said?.startsWith("rbd: couldn't connect") ?? true
    const lines = [...(isLogin ? stderr.lastLines() : []), ...(said === undefined ? [] : [said])]
    return new CommandFailed(what, { exitCode, signalName: child.signalCode, stderr: lines }, how)
  }

  function kill(): void {
    child.kill('SIGKILL')
  }

  let leaving: NodeJS.Timeout | undefined

  /** What is open is closed, so that nobody takes it for a writer that hangs. */
  function leave(withinMs: number): void {
    if (leaving !== undefined || !child.connected) return
    child.send({ id: 0, act: 'leave', given: null } satisfies Request, () => undefined)
    leaving = setTimeout(kill, withinMs)
  }

  function onAbort(): void {
    ending ??= signal?.reason
    leave(leaveMs.aborted)
  }

  child.on('message', (reply: Reply) => {
    const asker = open.get(reply.id)
    // one that is ending is told of when it is dead: nothing that it was asked for goes on
    if (asker === undefined || ending !== undefined) return
    open.delete(reply.id)
    if ('answer' in reply) {
      asker.resolve(reply.answer)
      return
    }
    const { errno, said } = reply.failure
    // what was written to stderr before the answer may be read in the same turn of the event loop, but after it
    setImmediate(() => {
      asker.reject(notInstalled(said) ?? failed(asker.what, errno, said, errno === null ? 'failed' : undefined))
    })
  })
  child.on('error', (error) => {
    ending ??= commandMissing({ name: 'env', args: [], title: 'env', packageName: 'coreutils' }, error)
  })
  void closed.then(
    () => {
      fail((what) => ending ?? failed(what, child.exitCode))
    },
    (error: unknown) => {
      fail(() => ending ?? error)
    },
  )
  signal?.addEventListener('abort', onAbort)
  if (signal?.aborted) onAbort()

  async function ask(act: ActName, given: unknown, timeoutMs: number | null): Promise<unknown> {
    signal?.throwIfAborted()
    const what = commandOf(act, given)
    if (!child.connected) return Promise.reject(ending instanceof Error ? ending : failed(what, child.exitCode))
    asked += 1
    const id = asked
    const answer = new Promise((resolve, reject) => open.set(id, { resolve, reject, what }))
    child.send({ id, act, given } satisfies Request, () => undefined)
    if (timeoutMs === null) return answer
    const timer = setTimeout(() => {
      ending ??= failed(what, null, undefined, `was ended, since it took longer than ${String(timeoutMs / 1000)} s`)
      kill()
    }, timeoutMs)
    try {
      return await answer
    } finally {
      clearTimeout(timer)
    }
  }

  const hands: Hands = {
    do: async (name, given, timeoutMs) => (await ask(name, given, timeoutMs)) as never,
  }
  try {
    return await act(hands)
  } finally {
    signal?.removeEventListener('abort', onAbort)
    if (child.connected) leave(leaveMs.well)
    else kill()
    await closed.catch(() => undefined)
    clearTimeout(leaving)
  }
}

/** The dynamic linker's words, where they are the reason. */
function notInstalled(said: string): unknown {
  if (!said.includes('cannot open shared object file')) return undefined
  const cause = Object.assign(new Error(said), { code: 'ENOENT' })
  return commandMissing({ name: 'librbd', args: [], title: 'librbd', packageName: 'librbd1' }, cause)
}

/** What is said of a failure, and how to see by hand whether the cluster answers that user. */
function commandOf(act: string, given: unknown): Command {
  const { place, image } = placeIn(given)
  const identity = place === undefined ? [] : ['--conf', place.conf, '--id', place.user]
  const of = place === undefined ? '' : ` in ${[place.pool, image].filter((part) => part !== undefined).join('/')}`
  return { name: 'ceph', args: ['-s', ...identity], title: `librbd: ${act}${of}`, packageName: 'librbd1' }
}

function placeIn(given: unknown): { place?: Place; image?: string } {
  if (typeof given !== 'object' || given === null) return {}
  return 'at' in given ? placeIn(given.at) : 'place' in given ? (given as { place: Place; image?: string }) : {}
}

/** The compiled program, also when this file runs as it was written. */
function program(): string {
  const file = import.meta.url.endsWith('.ts') ? '../dist/librbd/process.js' : './process.js'
  return fileURLToPath(new URL(file, import.meta.url))
}
