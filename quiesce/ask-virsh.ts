import { spawn } from 'node:child_process'
import { once } from 'node:events'

/** Which libvirt, and the environment that `virsh` gets; undefined: that of this process. */
export interface Virsh {
  uri: string
  env: Readonly<Record<string, string>> | undefined
}

export interface VirshAnswer {
  /** What it wrote on stdout and stderr, in that order; empty when it wrote to a file. */
  text: string
  /** Null when it did not end by itself. */
  exit: number | null
}

interface Asked {
  timeoutMs: number
  signal?: AbortSignal
  /** A file descriptor that it writes everything to, so that the answer outlives whoever asked. */
  into?: number
}

/**
 * Runs `virsh`; not with `--quiet`, which leaves out how many filesystems were frozen (vshPrintExtra). One that does not end in time, or whose signal aborts, is killed, which ends only `virsh`: libvirt may go
 * on with what it was asked for.
 * @throws the error of Node when it cannot be started
 */
export async function askVirsh({ uri, env }: Virsh, args: string[], asked: Asked): Promise<VirshAnswer> {
  const { timeoutMs, signal, into } = asked
  const child = spawn('virsh', ['--connect', uri, ...args], {
    stdio: ['ignore', into ?? 'pipe', into ?? 'pipe'],
    ...(env !== undefined && { env }),
  })
  const said = { out: '', err: '' }
  child.stdout?.on('data', (bytes: Buffer) => (said.out += bytes.toString()))
  child.stderr?.on('data', (bytes: Buffer) => (said.err += bytes.toString()))
  const closed = once(child, 'close')
  closed.catch(() => undefined) // `spawn` throws the same error
  await once(child, 'spawn')

  const kill = () => child.kill('SIGKILL')
  const timer = setTimeout(kill, Math.max(0, timeoutMs))
  signal?.addEventListener('abort', kill)
  if (signal?.aborted === true) kill()
  await closed
  clearTimeout(timer)
  signal?.removeEventListener('abort', kill)
  return { text: said.out + said.err, exit: child.exitCode }
}
