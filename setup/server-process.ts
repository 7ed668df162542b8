import { spawn } from 'node:child_process'
import { closeSync, mkdirSync, openSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { CodedError } from '../errors/coded-error.js'
import { projectRoot } from './project.js'

/** A server that we started and that never outlives us. */
export interface ServerProcess {
  name: string
  logFile: string
  /** The exit code once it has ended, else null. */
  exitCode(): number | null
  /** SIGTERM to it and its children, SIGKILL after the grace; returns when they are gone. */
  stop(): Promise<void>
}

/**
 * Starts a server under `guard.mjs`, its output in `logFile`.
 * @param graceSeconds between SIGTERM and SIGKILL; 10
 */
export function startServer(options: {
  name: string
  command: string
  args: string[]
  env?: NodeJS.ProcessEnv
  logFile: string
  graceSeconds?: number
}): ServerProcess {
  mkdirSync(dirname(options.logFile), { recursive: true })
  const log = openSync(options.logFile, 'a')
  const guard = join(projectRoot, 'setup', 'guard.mjs')
  const child = spawn(
    process.execPath,
    [guard, String(options.graceSeconds ?? 10), options.command, ...options.args],
    // detached: Ctrl-C in the terminal reaches us alone, and we stop it in order
    { detached: true, stdio: ['pipe', log, log], env: options.env ?? process.env },
  )
  closeSync(log)
  let exitCode: number | null = null
  const ended = new Promise<void>((resolve) => {
    child.once('exit', (code) => {
      exitCode = code ?? 128
      resolve()
    })
    child.once('error', () => {
      exitCode = 127
      resolve()
    })
  })
  // the guard's end closes the pipe under us; its exit code tells more than EPIPE
  child.stdin?.on('error', () => undefined)
  return {
    name: options.name,
    logFile: options.logFile,
    exitCode: () => exitCode,
    async stop() {
      child.stdin?.end()
      await ended
    },
  }
}

/**
 * Asks `ready` every 200 ms until it says true.
 * @throws CodedError `CK-SETUP-SERVER` when the server ends before, or after `seconds` (60), with the end of its log
 */
export async function waitUntilReady(
  server: ServerProcess,
  ready: () => Promise<boolean>,
  seconds = 60,
): Promise<void> {
  const end = performance.now() + seconds * 1000
  while (server.exitCode() === null && performance.now() < end) {
    if (await ready()) return
    await sleep(200)
  }
  const why =
    server.exitCode() === null
      ? `was not ready after ${seconds} s`
      : `ended with exit code ${String(server.exitCode())}`
  await server.stop()
  const log = (await readFile(server.logFile, 'utf8')).trimEnd().split('\n').slice(-10).join('\n')
  throw new CodedError('CK-SETUP-SERVER', `${server.name} ${why}; the end of ${server.logFile}:\n${log}`, {
    cure: `Read ${server.logFile}.`,
  })
}
