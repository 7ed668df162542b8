import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { watchMemory } from './memory-of.js'

/** How long a program took, what it printed, and the most memory that it and its children had. */
export interface Ran {
  ms: number
  stdout: string
  peakMb: number
}

/** @throws Error with what it said on stderr when it ends with another code than 0 */
export async function run(command: string, args: string[], input?: string): Promise<Ran> {
  const started = performance.now()
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'] })
  const memory = watchMemory(child.pid ?? 0)
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr = (stderr + text).slice(-2000)))
  child.stdin.on('error', () => undefined)
  child.stdin.end(input)
  const [code] = (await once(child, 'close')) as [number | null]
  const peakMb = memory.stop()
  if (code !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${String(code)}: ${stderr}`)
  return { ms: performance.now() - started, stdout, peakMb }
}

/** A pipe of programs, every one of which must end well. */
export async function pipe(line: string): Promise<Ran> {
  return run('bash', ['-c', `set -euo pipefail; ${line}`])
}
