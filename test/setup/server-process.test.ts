import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { projectRoot } from '../../setup/project.js'
import { startServer, waitUntilReady } from '../../setup/server-process.js'

function lives(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await sleep(20)
}

describe('servers that setup starts', () => {
  let folder: string
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'ck-server-'))
  })
  afterEach(() => rm(folder, { recursive: true }))

  it('stop with all their children, also those that ignore SIGTERM', async () => {
    const logFile = join(folder, 'log')
    const script = "trap '' TERM; sleep 1000 & echo $! $$; wait; sleep 1000"
    const server = startServer({ name: 'test', command: 'bash', args: ['-c', script], logFile, graceSeconds: 1 })
    let pids: number[] = []
    await waitUntilReady(server, async () => {
      pids = (await readFile(logFile, 'utf8')).trim().split(' ').map(Number)
      return pids.length === 2
    })
    expect(pids.every(lives)).toBe(true)
    await server.stop()
    await until(() => !pids.some(lives))
  })

  it('say why they did not become ready, with the end of their log', async () => {
    const args = ['-c', 'echo the disk is full >&2; exit 3']
    const server = startServer({ name: 'test', command: 'bash', args, logFile: join(folder, 'log') })
    const waiting = waitUntilReady(server, async () => false)
    await expect(waiting).rejects.toThrow(/ended with exit code 3.*\n.*the disk is full/)
  })

  it('do not outlive a parent that is killed', async () => {
    const guard = join(projectRoot, 'setup', 'guard.mjs')
    const script = `
      const { spawn } = require('node:child_process')
      const guard = spawn(process.execPath, [${JSON.stringify(guard)}, '1', 'bash', '-c', 'echo $$; exec sleep 1000'],
        { detached: true, stdio: ['pipe', 'inherit', 'inherit'] })
      setInterval(() => guard, 1000)`
    const parent = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] })
    const [line] = (await once(parent.stdout, 'data')) as [Buffer]
    const pid = Number(line.toString())
    expect(lives(pid)).toBe(true)
    parent.kill('SIGKILL')
    await until(() => !lives(pid))
  })
})
