import { spawn } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'

/** The path of a command that `PATH` finds, or null. */
export function findCommand(name: string): string | null {
  for (const directory of (process.env['PATH'] ?? '').split(delimiter)) {
    const path = join(directory, name)
    try {
      accessSync(path, constants.X_OK)
      return path
    } catch {
      continue // not in this directory
    }
  }
  return null
}

export interface Outcome {
  code: number
  stdout: string
  /** The last lines of stderr. */
  stderr: string
}

/**
 * Runs a command to its end.
 * @param onLine called with each line of stderr
 */
export async function runCommand(
  command: string,
  args: string[],
  options: { cwd?: string; env?: NodeJS.ProcessEnv; onLine?: (line: string) => void; inherit?: boolean } = {},
): Promise<Outcome> {
  const child = spawn(command, args, {
    cwd: options.cwd,
    env: options.env ?? process.env,
    stdio: options.inherit === true ? 'inherit' : ['ignore', 'pipe', 'pipe'],
  })
  let stdout = ''
  let partial = ''
  const lines: string[] = []
  child.stdout?.setEncoding('utf8').on('data', (text: string) => (stdout += text))
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    const parts = (partial + text).split('\n')
    partial = parts.pop() ?? ''
    for (const line of parts) {
      options.onLine?.(line)
      lines.push(line)
      if (lines.length > 20) lines.shift()
    }
  })
  const code = await new Promise<number>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (exitCode) => {
      resolve(exitCode ?? 128)
    })
  })
  return { code, stdout, stderr: [...lines, partial].join('\n').trim() }
}
