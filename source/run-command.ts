/** The only place of this room that starts other programs. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { CommandFailed, commandMissing } from './command-errors.js'
import { collectStderr } from './collect-stderr.js'

/** A program and what it is given; never a shell's line. */
export interface Command {
  name: string
  args: string[]
  /** What is being done, for errors: `rbd export-diff volumes/volume-…@snapshot-…`. */
  title: string
  /** Debian's package that has it, for the error when it is not installed. */
  packageName: string
  /**
   * Which lines on stderr mean a failure although the exit code is 0. Default: every line.
   * Programs that also remark on their configuration there say which lines count.
   */
  isComplaint?: (line: string) => boolean
}

export interface CommandOptions {
  /** Kills the program; its reason is what is thrown, after the program has ended. */
  signal?: AbortSignal | undefined
  /** Kills the program and fails; without it, it may take as long as it likes. */
  timeoutMs?: number
}

/** How long a program may take to end after SIGTERM before SIGKILL. */
const graceMs = 5_000
/** The most that `runCommand` keeps of stdout. */
const maxOutputBytes = 16 * 1024 * 1024

/**
 * Runs a program and yields what it writes on stdout, no faster than it is taken: a slow reader stops the program in
 * its write. The last value comes only after it has ended with exit code 0 and nothing to complain of, so whoever has
 * read to the end has read something whole. Leaving the loop early kills the program; either way it has ended when
 * the loop is left.
 * @throws CommandFailed `CK-SOURCE-COMMAND`, CodedError `CK-SOURCE-COMMAND-MISSING`, or the signal's reason
 */
export async function* streamCommand(
  command: Command,
  { signal, timeoutMs }: CommandOptions = {},
): AsyncGenerator<Uint8Array, void, undefined> {
  signal?.throwIfAborted()
  const child = spawn(command.name, command.args, { stdio: ['ignore', 'pipe', 'pipe'], shell: false })
  const closed = once(child, 'close')
  closed.catch(() => undefined) // `started` throws the same error
  await started(child, command)
  const stderr = collectStderr(child.stderr, command.isComplaint ?? (() => true))
  const killer = gracefulKiller(child)
  const timeout = new AbortController()
  timeout.signal.addEventListener('abort', killer.kill)
  const timer =
    timeoutMs === undefined
      ? undefined
      : setTimeout(() => {
          timeout.abort()
        }, timeoutMs)
  signal?.addEventListener('abort', killer.kill)
  // aborted while it was being started
  if (signal?.aborted) killer.kill()

  try {
    for await (const chunk of child.stdout) {
      yield chunk as Uint8Array
      signal?.throwIfAborted()
    }
    await closed
    signal?.throwIfAborted()
    const failure = { exitCode: child.exitCode, signalName: child.signalCode, stderr: stderr.lastLines() }
    if (timeout.signal.aborted) {
      throw new CommandFailed(command, failure, `was ended, since it took longer than ${(timeoutMs ?? 0) / 1000} s`)
    }
    if (child.exitCode !== 0) throw new CommandFailed(command, failure)
    const complaint = stderr.firstComplaint()
    if (complaint !== undefined) throw new CommandFailed(command, failure, `ended well, but said "${complaint}"`)
  } finally {
    clearTimeout(timer)
    signal?.removeEventListener('abort', killer.kill)
    if (child.exitCode === null && child.signalCode === null) killer.kill()
    // unread output would keep the pipes, and with them this wait, open
    child.stdout.destroy()
    child.stderr.destroy()
    await closed
    killer.done()
  }
}

/**
 * Runs a program that answers briefly and returns its stdout.
 * @throws as `streamCommand`; also when it writes more than 16 MiB
 */
export async function runCommand(command: Command, options: CommandOptions = {}): Promise<string> {
  const chunks: Uint8Array[] = []
  let length = 0
  for await (const chunk of streamCommand(command, options)) {
    length += chunk.length
    if (length > maxOutputBytes) {
      throw new CommandFailed(command, { exitCode: null, signalName: null, stderr: [] }, 'wrote more than 16 MiB')
    }
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

async function started(child: ChildProcess, command: Command): Promise<void> {
  try {
    await once(child, 'spawn')
  } catch (cause) {
    throw commandMissing(command, cause)
  }
}

/** SIGTERM, and SIGKILL when that was not enough. */
function gracefulKiller(child: ChildProcess): { kill: () => void; done: () => void } {
  let timer: NodeJS.Timeout | undefined
  return {
    kill: () => {
      if (timer !== undefined) return
      child.kill('SIGTERM')
      timer = setTimeout(() => child.kill('SIGKILL'), graceMs)
    },
    done: () => {
      clearTimeout(timer)
    },
  }
}
