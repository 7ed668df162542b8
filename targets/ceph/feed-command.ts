/** The only place of this room that starts programs: those that take bytes on their stdin. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { collectStderr } from '../../source/collect-stderr.js'
import { CommandFailed, commandMissing } from '../../source/command-errors.js'
import type { Command } from '../../source/run-command.js'

export interface Feed {
  /** Returns when the program has room for more. @throws CommandFailed when it ended instead */
  write(bytes: Uint8Array): Promise<void>
  /** Ends its input; returns once it has ended well. @throws CommandFailed */
  end(): Promise<void>
  /** Kills it, if it still runs, and waits for its end. Never throws. */
  kill(): Promise<void>
}

export interface FeedOptions {
  /** Kills the program; its reason is what the next call throws, after the program has ended. */
  signal?: AbortSignal | undefined
  /** Kills the program when it takes no byte, or does not end after its input did, for so long. */
  stallMs: number
}

/** After SIGTERM; a program that waits for its cluster does not hear it. */
const graceMs = 3_000

/**
 * Starts a program that reads its stdin. Whoever starts it must come to `end` or `kill`.
 * @throws CodedError `CK-SOURCE-COMMAND-MISSING`
 */
export async function feedCommand(command: Command, { signal, stallMs }: FeedOptions): Promise<Feed> {
  signal?.throwIfAborted()
  const child = spawn(command.name, command.args, { stdio: ['pipe', 'ignore', 'pipe'], shell: false })
  const closed = once(child, 'close').then(() => 'closed' as const)
  closed.catch(() => undefined)
  try {
    await once(child, 'spawn')
  } catch (cause) {
    throw commandMissing(command, cause)
  }
  const stderr = collectStderr(child.stderr, command.isComplaint ?? (() => true))
  // a program that ends early closes its input; its exit code says why
  child.stdin.on('error', () => undefined)
  let stalled = false
  let killing: NodeJS.Timeout | undefined

  function stop(): void {
    if (killing !== undefined || hasEnded(child)) return
    child.kill('SIGTERM')
    killing = setTimeout(() => child.kill('SIGKILL'), graceMs)
  }
  signal?.addEventListener('abort', stop)
  if (signal?.aborted) stop()

  async function ended(): Promise<void> {
    await closed
    clearTimeout(killing)
    signal?.removeEventListener('abort', stop)
  }

  /** Waits for one of both, but not for ever. */
  async function whicheverFirst(event: Promise<unknown>): Promise<unknown> {
    const timer = setTimeout(() => {
      stalled = true
      stop()
    }, stallMs)
    try {
      return await Promise.race([event, closed])
    } finally {
      clearTimeout(timer)
    }
  }

  async function fail(): Promise<never> {
    await ended()
    signal?.throwIfAborted()
    const end = { exitCode: child.exitCode, signalName: child.signalCode, stderr: stderr.lastLines() }
    if (stalled) throw new CommandFailed(command, end, `was ended, since it took longer than ${stallMs / 1000} s`)
    if (child.exitCode === 0) throw new CommandFailed(command, end, 'ended before it had read everything')
    throw new CommandFailed(command, end)
  }

  return {
    write: async (bytes) => {
      if (signal?.aborted || hasEnded(child) || stalled) await fail()
      if (child.stdin.write(bytes)) return
      const drained = new Promise<void>((resolve) => child.stdin.once('drain', resolve))
      if ((await whicheverFirst(drained)) === 'closed' || signal?.aborted) await fail()
    },
    end: async () => {
      if (!hasEnded(child)) child.stdin.end()
      await whicheverFirst(closed)
      await ended()
      const complaint = stderr.firstComplaint()
      if (signal?.aborted || stalled || child.exitCode !== 0) await fail()
      if (complaint !== undefined) {
        const end = { exitCode: 0, signalName: null, stderr: stderr.lastLines() }
        throw new CommandFailed(command, end, `ended well, but said "${complaint}"`)
      }
    },
    kill: async () => {
      stop()
      // its input stays open until it is dead: what has read to the end of it could take that for the end of the stream
      await ended().catch(() => undefined)
      child.stdin.destroy()
    },
  }
}

function hasEnded({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode !== null || signalCode !== null
}
