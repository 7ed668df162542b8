import { fork } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import { join } from 'node:path'
import { projectRoot } from '../setup/project.js'

/** A process of the bench: each side of a comparison has one of its own, as ours has in earnest. */
export interface Child {
  pid: number
  /** Asks for one of the acts that the process serves. */
  call<T>(act: string, ...args: unknown[]): Promise<T>
  /** Is told what the process tells by itself. */
  onTold(listener: (subject: string, what: string, at: number) => void): void
  /** Milliseconds of CPU that it has used. */
  cpuMs(): Promise<number>
  /** Lets it end in order. */
  stop(): Promise<void>
}

/** What travels from a process to whoever started it. */
export type Told =
  { kind: 'answer'; id: number; result?: unknown; error?: string } | { kind: 'told'; subject: string; what: string }
/** What is asked of a process. */
export interface Asked {
  id: number
  act: string
  args: unknown[]
}

/**
 * Starts `dist/bench/processes/<script>.js` and returns when it is ready.
 * @param options.logFile where it logs what operators would read
 */
export async function startChild(
  script: string,
  options: { env: NodeJS.ProcessEnv; logFile: string; profile: string | null },
): Promise<Child> {
  const log = openSync(options.logFile, 'a')
  const child = fork(join(projectRoot, 'dist', 'bench', 'processes', `${script}.js`), [], {
    // where Temporal and the broker are comes from us alone
    env: { ...without(process.env, /^(OS_|TEMPORAL_|CINDERKEEP_|AMQP_)/), ...options.env },
    execArgv: options.profile === null ? [] : ['--cpu-prof', `--cpu-prof-dir=${options.profile}`],
    stdio: ['ignore', log, log, 'ipc'],
  })
  closeSync(log)
  const waiting = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>()
  const listeners: Parameters<Child['onTold']>[0][] = []
  let ended: Error | null = null
  child.on('message', (message: Told) => {
    if (message.kind === 'told') {
      const at = performance.now()
      for (const listener of listeners) listener(message.subject, message.what, at)
      return
    }
    const asker = waiting.get(message.id)
    waiting.delete(message.id)
    if (message.error === undefined) asker?.resolve(message.result)
    else asker?.reject(new Error(`${script}: ${message.error}`))
  })
  const exit = once(child, 'exit').then(() => {
    ended = new Error(`${script} ended; see ${options.logFile}`)
    for (const { reject } of waiting.values()) reject(ended)
  })
  let asked = 0
  const call = async (act: string, ...args: unknown[]): Promise<unknown> => {
    if (ended !== null) throw ended
    asked += 1
    const id = asked
    const answer = new Promise((resolve, reject) => {
      waiting.set(id, { resolve, reject })
    })
    child.send({ id, act, args } satisfies Asked)
    return answer
  }
  await call('ready')
  return {
    pid: child.pid ?? 0,
    call: async <T>(act: string, ...args: unknown[]) => (await call(act, ...args)) as T,
    onTold: (listener) => {
      listeners.push(listener)
    },
    cpuMs: async () => {
      const { user, system } = (await call('cpu')) as NodeJS.CpuUsage
      return (user + system) / 1000
    },
    async stop() {
      // after Ctrl-C it has ended before us
      if (ended === null) await call('stop').catch(() => undefined)
      await exit
    },
  }
}

function without(env: NodeJS.ProcessEnv, pattern: RegExp): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !pattern.test(name)))
}
