import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import { join } from 'node:path'
import { projectRoot } from '../setup/project.js'

export type RoleName = 'listener' | 'control' | 'mover' | 'quiesce'

/** Cinderkeep's real processes, one a role. */
export interface Roles {
  start(role: RoleName): void
  /** `kill -9`: it has no time for anything. */
  kill(role: RoleName): Promise<void>
  /** undefined while it does not run. */
  pid(role: RoleName): number | undefined
  /** SIGTERM to all; returns when they have ended. @throws Error naming those that did not end well */
  stop(): Promise<void>
}

/**
 * @param options.logFile where all of them log, one JSON object a line
 * @param options.controlFile another configuration for the control worker: one may know less than the others
 */
export function createRoles(options: {
  configFile: string
  controlFile?: string | undefined
  env: NodeJS.ProcessEnv
  logFile: string
}): Roles {
  const running = new Map<RoleName, ChildProcess>()
  return {
    start(role) {
      const log = openSync(options.logFile, 'a')
      const file = role === 'control' ? (options.controlFile ?? options.configFile) : options.configFile
      const args = [join(projectRoot, 'dist', 'cli', 'main.js'), 'run', '--role', role, '--config', file]
      // the channel tells a role that we are gone, however we went; detached: Ctrl-C reaches us alone
      const child = spawn(process.execPath, args, {
        env: options.env,
        stdio: ['ignore', log, log, 'ipc'],
        detached: true,
      })
      closeSync(log)
      running.set(role, child)
    },
    async kill(role) {
      const child = running.get(role)
      running.delete(role)
      if (child === undefined || child.exitCode !== null) throw new Error(`the ${role} had ended by itself`)
      child.kill('SIGKILL')
      await once(child, 'exit')
    },
    pid: (role) => running.get(role)?.pid,
    async stop() {
      const ended = [...running].map(async ([role, child]) => {
        if (child.exitCode !== null || child.signalCode !== null) return `${role} had ended by itself`
        child.kill('SIGTERM')
        const [code] = (await once(child, 'exit')) as [number | null]
        return code === 0 ? null : `${role} ended with exit code ${String(code)}`
      })
      const trouble = (await Promise.all(ended)).filter((one) => one !== null)
      running.clear()
      if (trouble.length > 0) throw new Error(`${trouble.join('; ')}; see ${options.logFile}`)
    },
  }
}
