import { describe, expect, it } from 'vitest'
import { type Command, runCommand, streamCommand } from '../../source/run-command.js'

/** A program of ours: what `node -e` is given. */
function node(script: string, isComplaint?: (line: string) => boolean): Command {
  const command = { name: process.execPath, args: ['-e', script], title: 'node script', packageName: 'nodejs' }
  return isComplaint === undefined ? command : { ...command, isComplaint }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

/** Runs a program that tells its pid and then does as its script says, until the signal or the loop ends it. */
const tellPid = 'process.stdout.write(String(process.pid) + "\\n");'

describe('streamCommand', () => {
  it('gives arguments as they are, through no shell', async () => {
    const command = {
      ...node('console.log(process.argv[1])'),
      args: ['-e', 'console.log(process.argv[1])', '$(id); *'],
    }
    expect(await runCommand(command)).toBe('$(id); *\n')
  })

  it('fails on an exit code, with the title, the code and the last lines of stderr', async () => {
    const command = node('for (let i = 1; i <= 100; i++) console.error("line " + i); process.exitCode = 74')
    await expect(runCommand(command)).rejects.toMatchObject({
      code: 'CK-SOURCE-COMMAND',
      exitCode: 74,
      message: expect.stringMatching(/^node script ended with exit code 74: line 93 \| .*line 100$/) as unknown,
    })
  })

  it('yields nothing as whole that came from a program which failed afterwards', async () => {
    const command = node('process.stdout.write("all of it", () => process.exit(3))')
    let read = ''
    const reading = (async () => {
      for await (const chunk of streamCommand(command)) read += Buffer.from(chunk).toString()
    })()
    await expect(reading).rejects.toMatchObject({ exitCode: 3 })
    expect(read).toBe('all of it')
  })

  it('fails when the program ends well but complains on stderr', async () => {
    await expect(runCommand(node('console.error("rbd: odd")'))).rejects.toMatchObject({ code: 'CK-SOURCE-COMMAND' })
    const remark = node('console.error("a remark"); console.log("fine")', (line) => line.startsWith('rbd: '))
    expect(await runCommand(remark)).toBe('fine\n')
  })

  it('keeps little of an endless stderr, and no key', async () => {
    const key = `AQ${'x'.repeat(36)}==`
    const command = node(`process.stderr.write("${key} " + "y".repeat(5e6)); process.exitCode = 1`)
    const error = await runCommand(command).catch((caught: unknown) => caught)
    expect(String(error)).not.toContain(key)
    expect(String(error)).toContain('[key]')
    expect(String(error).length).toBeLessThan(1000)
  })

  it('fails when a signal ended the program', async () => {
    const command = node('process.kill(process.pid, "SIGKILL")')
    await expect(runCommand(command)).rejects.toMatchObject({
      exitCode: null,
      message: expect.stringContaining('SIGKILL') as unknown,
    })
  })

  it('names the package of a program that is not installed', async () => {
    const command = { ...node(''), name: 'no-such-program-here', packageName: 'ceph-common' }
    await expect(runCommand(command)).rejects.toMatchObject({
      code: 'CK-SOURCE-COMMAND-MISSING',
      cure: 'Install it: apt-get install ceph-common',
    })
  })

  it.each([
    ['that ends on SIGTERM', ''],
    ['that ignores SIGTERM', 'process.on("SIGTERM", () => {});'],
  ])('throws the reason of an abort after the end of a program %s', { timeout: 20_000 }, async (_, ignoring) => {
    const aborting = new AbortController()
    let pid = 0
    const reading = (async () => {
      for await (const chunk of streamCommand(node(`${ignoring}${tellPid}setInterval(() => {}, 1e6)`), {
        signal: aborting.signal,
      })) {
        pid = Number(Buffer.from(chunk).toString())
        aborting.abort(new Error('asked to stop'))
      }
    })()
    await expect(reading).rejects.toThrow('asked to stop')
    expect(isAlive(pid)).toBe(false)
  })

  it('starts nothing for a signal that is aborted already', async () => {
    const signal = AbortSignal.abort(new Error('too late'))
    await expect(runCommand({ ...node(''), name: 'no-such-program-here' }, { signal })).rejects.toThrow('too late')
  })

  it('ends a program whose reader leaves early, though its output was not read', async () => {
    let pid = 0
    const endless = `${tellPid}const more = () => { while (process.stdout.write("x".repeat(65536))); process.stdout.once("drain", more) }; setTimeout(more, 50)`
    for await (const chunk of streamCommand(node(endless))) {
      pid = Number(Buffer.from(chunk).toString().split('\n')[0])
      break
    }
    expect(pid).toBeGreaterThan(0)
    expect(isAlive(pid)).toBe(false)
  })

  it('ends a program that takes too long', async () => {
    await expect(runCommand(node('setInterval(() => {}, 1e6)'), { timeoutMs: 200 })).rejects.toMatchObject({
      message: expect.stringContaining('longer than 0.2 s') as unknown,
    })
  })

  it('lets a slow reader hold the program back', async () => {
    // writes synchronously: it blocks in the pipe and tells at the end how far it came
    const script = `const fs = require("fs"); const block = Buffer.alloc(65536);
      for (let i = 0; i < 64; i++) { fs.writeSync(1, block); fs.writeSync(2, i + "\\n") }`
    const lines: string[] = []
    let read = 0
    for await (const chunk of streamCommand(node(script, (line) => lines.push(line) < 0))) {
      read += chunk.length
      if (read === chunk.length) {
        await new Promise((resolve) => setTimeout(resolve, 300))
        expect(lines.length).toBeLessThan(16)
      }
    }
    expect(read).toBe(64 * 65536)
  })

  it('refuses to keep an endless answer', async () => {
    const endless =
      'const more = () => { while (process.stdout.write("x".repeat(65536))); process.stdout.once("drain", more) }; more()'
    await expect(runCommand(node(endless))).rejects.toMatchObject({
      message: expect.stringContaining('more than 16 MiB') as unknown,
    })
  })
})
