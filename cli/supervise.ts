import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Environment } from '../config/environment.js'
import type { Log } from '../log/log.js'
import { exitCodes, type ExitCode } from './exit-code.js'

export interface Supervision {
  names: string[]
  argumentsOf: (name: string) => string[]
  envOf: (name: string) => Environment
  log: Log
  signal: AbortSignal
}

const firstDelayMs = 1000
const longestDelayMs = 60_000

/**
 * Keeps one child process a name until the signal aborts; then tells them to end and waits for all of them. A child that
 * ends is started again, later each time. One that calls its configuration wrong (exit code 2) ends everything: it would
 * say the same for ever.
 */
export async function supervise({ names, argumentsOf, envOf, log, signal }: Supervision): Promise<ExitCode> {
  const stopping = new AbortController()
  const stop = AbortSignal.any([signal, stopping.signal])
  let outcome = exitCodes.done as ExitCode

  // a function: the compiler would take a read property for constant
  const stopped = () => stop.aborted

  async function keep(name: string): Promise<void> {
    let delay = firstDelayMs
    while (!stopped()) {
      const started = performance.now()
      const ended = await runChild(argumentsOf(name), envOf(name), stop)
      if (ended.exit === exitCodes.usage) {
        outcome = exitCodes.usage
        stopping.abort()
      }
      if (stopped()) {
        if (ended.exit !== 0 && ended.exit !== exitCodes.interrupted && outcome === exitCodes.done) {
          outcome = exitCodes.failed
          log.error({ ...ended }, `${name} did not end cleanly`)
        }
        return
      }
      // it worked for a while: what ended it now is another trouble
      if (performance.now() - started > longestDelayMs) delay = firstDelayMs
      log.error({ ...ended }, `${name} ended and is started again in ${delay / 1000} s`)
      await wait(delay, stop)
      delay = Math.min(delay * 2, longestDelayMs)
    }
  }

  await Promise.all(names.map(keep))
  return signal.reason === 'SIGINT' ? exitCodes.interrupted : outcome
}

async function runChild(
  args: string[],
  env: Environment,
  stop: AbortSignal,
): Promise<{ exit: number | null; killed: string | null }> {
  const main = fileURLToPath(new URL('./main.js', import.meta.url))
  // the channel tells a child that its supervisor is gone, however it went
  const child = spawn(process.execPath, [main, ...args], { env, stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  // Ctrl-C reaches the children too, as SIGINT; another signal from us so that none takes it for the second Ctrl-C
  const end = () => child.kill('SIGTERM')
  stop.addEventListener('abort', end)
  try {
    const [code, killed] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null]
    return { exit: code, killed }
  } finally {
    stop.removeEventListener('abort', end)
  }
}

async function wait(ms: number, stop: AbortSignal): Promise<void> {
  if (stop.aborted) return
  await new Promise<void>((resolve) => {
    const timer = setTimeout(end, ms)
    function end() {
      clearTimeout(timer)
      stop.removeEventListener('abort', end)
      resolve()
    }
    stop.addEventListener('abort', end)
  })
}
