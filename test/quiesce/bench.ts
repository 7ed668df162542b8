/** A compute host with guests that are files, a `virsh` that acts upon them, and real agents and watchdogs. */
import { spawn, type ChildProcess } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { chmod, mkdir, mkdtemp, readFile, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterEach, expect } from 'vitest'
import type { Frozen, QuiesceActivities, Thawed } from '../../workflows/quiesce-messages.js'

const here = dirname(fileURLToPath(import.meta.url))

/** Long enough for any machine; what takes so long has failed. */
export const patience = { timeout: 50_000, interval: 50 }
/** A limit that no test reaches: what is thawed sooner was thawed for another reason. */
export const longLimit = 500

export interface Guest {
  id: string
  /** Names of files: `slow-virsh`, `slow-guest`, `slow-answer`, `slow-thaw`, `hang-domstate`; and `frozen`. */
  set(what: string, content?: string): Promise<void>
  unset(what: string): Promise<void>
  has(what: string): boolean
  frozen(): boolean
  /** How often it was frozen. */
  freezes(): Promise<number>
  leave(): Promise<void>
}

export interface AgentProcess extends QuiesceActivities {
  process: ChildProcess
  kill(signal: NodeJS.Signals): Promise<void>
}

export interface Bench {
  dir: string
  state: string
  path: string
  guest(filesystems?: number): Promise<Guest>
  agent(limitSeconds?: number): Promise<AgentProcess>
  /** Process ids of this bench's watchdogs that live. */
  watchdogs(): Promise<number[]>
  entries(): Promise<string[]>
  calls(): Promise<string[]>
}

const cleanups: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean()
})

export async function createBench(): Promise<Bench> {
  const root = await mkdtemp(join(tmpdir(), 'ck-quiesce-'))
  cleanups.push(() => rm(root, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 }))
  const [dir, state, bin] = [join(root, 'ledger'), join(root, 'state'), join(root, 'bin')]
  await mkdir(state)
  await mkdir(bin)
  const script = await readFile(join(here, 'fake-virsh.sh'), 'utf8')
  await writeFile(join(bin, 'virsh'), script.replace('S=STATE', `S='${state}'`))
  await chmod(join(bin, 'virsh'), 0o755)
  const path = `${bin}:${process.env['PATH'] ?? ''}`
  return {
    ...{ dir, state, path },
    guest: (filesystems = 2) => createGuest(state, filesystems),
    agent: (limitSeconds = longLimit) => startAgent(dir, path, limitSeconds),
    watchdogs: () => watchdogsOf(dir),
    entries: async () => (existsSync(dir) ? (await readdir(dir)).filter((name) => name.endsWith('.frozen')) : []),
    calls: async () => (await readFile(join(state, 'calls'), 'utf8').catch(() => '')).split('\n').filter(Boolean),
  }
}

async function createGuest(state: string, filesystems: number): Promise<Guest> {
  const id = randomUUID()
  const home = join(state, id)
  await mkdir(home)
  const set = (what: string, content = '') => writeFile(join(home, what), content)
  await set('filesystems', String(filesystems))
  await set('state', 'running')
  await set('agent', 'ok')
  return {
    ...{ id, set },
    unset: (what) => rm(join(home, what), { force: true }),
    has: (what) => existsSync(join(home, what)),
    frozen: () => existsSync(join(home, 'frozen')),
    freezes: async () => (await readFile(join(home, 'freezes'), 'utf8').catch(() => '')).split('\n').length - 1,
    leave: () => rename(home, join(state, `left-${id}`)),
  }
}

async function startAgent(dir: string, path: string, limitSeconds: number): Promise<AgentProcess> {
  const program = join(here, 'agent-process.mjs')
  const child = spawn(process.execPath, [program, dir, String(limitSeconds)], {
    stdio: ['pipe', 'pipe', 'ignore'],
    env: { ...process.env, PATH: path },
  })
  const ended = once(child, 'exit')
  const kill = async (signal: NodeJS.Signals) => {
    child.kill(signal)
    await ended
  }
  cleanups.push(() => kill('SIGKILL'))

  const waiting = new Map<string, { resolve: (answer: unknown) => void; reject: (error: unknown) => void }>()
  let ready = (): void => undefined
  const isReady = new Promise<void>((resolve) => (ready = resolve))
  createInterface(child.stdout).on('line', (line) => {
    const said = JSON.parse(line) as { id?: string; answer?: unknown; error?: object }
    if (said.id === undefined) ready()
    else if ('answer' in said) waiting.get(said.id)?.resolve(said.answer)
    else waiting.get(said.id)?.reject(said.error)
  })
  const call = async (act: string, request: object) => {
    const id = randomUUID()
    const answer = new Promise<unknown>((resolve, reject) => waiting.set(id, { resolve, reject }))
    answer.catch(() => undefined) // a test may kill the agent and never look
    child.stdin.write(`${JSON.stringify({ id, act, request })}\n`)
    return await answer
  }
  await isReady
  return {
    ...{ process: child, kill },
    freezeServer: (request) => lookedAtLater(call('freezeServer', request) as Promise<Frozen>),
    thawServer: (request) => lookedAtLater(call('thawServer', request) as Promise<Thawed>),
  }
}

/** A test looks at a refusal when it has done other things. */
function lookedAtLater<T>(answer: Promise<T>): Promise<T> {
  answer.catch(() => undefined)
  return answer
}

async function watchdogsOf(dir: string): Promise<number[]> {
  const found: number[] = []
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    const words = (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).split('\0')
    if (words[1]?.endsWith('quiesce/watchdog.js') === true && words[2] === dir) found.push(Number(pid))
  }
  return found
}

/** A freeze with a token of its own. */
export function freezeOf(guest: Guest, limitSeconds = longLimit) {
  const ids = { serverId: guest.id, token: randomUUID(), run: randomUUID() }
  return { request: { ...ids, limitSeconds }, thaw: ids }
}

/** The guest is thawed, nothing is remembered as frozen, and no watchdog is left. */
export async function allThawed(bench: Bench, guest: Guest): Promise<void> {
  await expect.poll(() => guest.frozen(), patience).toBe(false)
  await expect.poll(() => bench.entries(), patience).toEqual([])
  await expect.poll(() => bench.watchdogs(), patience).toEqual([])
  expect(guest.frozen()).toBe(false)
}
