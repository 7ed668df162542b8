import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Ward } from './thaw-until-over.js'

export interface Watchdog {
  /** It thaws now, if the ledger says that there is something to thaw, and then ends. */
  release: () => void
  /** It ended, however. */
  ended: Promise<void>
}

const program = fileURLToPath(new URL('./watchdog.js', import.meta.url))

/**
 * Starts the process that thaws this guest when its time is over, or we are.
 * @returns when it is ready
 * @throws when it cannot be started, or is not ready in time: it is killed then
 */
export async function startWatchdog(ward: Ward, readyWithinMs: number): Promise<Watchdog> {
  const child = watchdogProcess(ward)
  await once(child, 'spawn')
  const ended = new Promise<void>((resolve) => child.once('exit', resolve))
  try {
    await saysReady(child, readyWithinMs)
  } catch (error) {
    child.kill('SIGKILL')
    await ended
    throw error
  }
  return {
    ended,
    release: () => {
      child.stdin?.destroy()
    },
  }
}

function watchdogProcess({ dir, virsh, entry }: Ward): ChildProcess {
  const child = spawn(process.execPath, [program, dir, entry.server, entry.token, virsh.uri], {
    cwd: '/',
    // a session of its own: no terminal's or group's signal reaches it
    detached: true,
    // the kernel closes our end of stdin however we die
    stdio: ['pipe', 'pipe', 'ignore'],
    ...(virsh.env !== undefined && { env: virsh.env }),
  })
  child.stdin.on('error', () => undefined)
  child.unref()
  return child
}

async function saysReady(child: ChildProcess, withinMs: number): Promise<void> {
  const late = AbortSignal.timeout(Math.max(1, Math.round(withinMs)))
  const gone = new AbortController()
  const end = () => {
    gone.abort(new Error('it ended at once'))
  }
  child.once('exit', end)
  try {
    if (child.stdout === null) throw new Error('it has no stdout')
    await once(child.stdout, 'data', { signal: AbortSignal.any([late, gone.signal]) })
    // nothing else will come, and an open pipe would keep us from ending
    child.stdout.destroy()
  } finally {
    child.off('exit', end)
  }
}
