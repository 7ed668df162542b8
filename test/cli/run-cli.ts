import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

const main = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))

export interface CliResult {
  code: number | null
  stdout: string
  stderr: string
}

export interface RunningCli {
  kill(signal: NodeJS.Signals): void
  /** Resolves when stderr holds the text. */
  said(text: string): Promise<void>
  ended: Promise<CliResult>
}

/** The built program as a child process; it sees nothing of our environment. */
export function startCli(args: string[], options: { cwd: string; env?: Record<string, string> }): RunningCli {
  const child = spawn(process.execPath, [main, ...args], {
    cwd: options.cwd,
    env: { HOME: options.cwd, ...options.env },
  })
  let stdout = ''
  let stderr = ''
  const waiting: { text: string; found: () => void }[] = []
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
    for (const one of waiting) if (stderr.includes(one.text)) one.found()
  })
  const ended = once(child, 'close').then(([code]) => ({ code: code as number | null, stdout, stderr }))
  return {
    kill: (signal) => child.kill(signal),
    said: (text) =>
      new Promise((found) => {
        if (stderr.includes(text)) found()
        else waiting.push({ text, found })
      }),
    ended,
  }
}

export async function runCli(
  args: string[],
  options: { cwd: string; env?: Record<string, string> },
): Promise<CliResult> {
  return await startCli(args, options).ended
}
