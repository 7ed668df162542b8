import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'

const built = fileURLToPath(new URL('../../dist/log/log.js', import.meta.url))

/** What a process says on stderr that logs many lines and ends at once, in one way or the other. */
async function said(end: string): Promise<string[]> {
  const script = [
    `import { createLog } from ${JSON.stringify(built)}`,
    'const log = createLog("info", { role: "test" })',
    'for (let line = 0; line < 5000; line += 1) log.info({ line }, "x".repeat(100))',
    end,
  ].join('\n')
  return new Promise((resolve) => {
    const options = { maxBuffer: 64 * 1024 * 1024 }
    execFile(process.execPath, ['--input-type=module', '-e', script], options, (_error, _stdout, stderr) => {
      resolve(stderr.split('\n').filter((line) => line.startsWith('{')))
    })
  })
}

it.each([
  ['returns', ''],
  ['exits', 'process.exit(3)'],
  ['throws', 'throw new Error("at once")'],
])('writes every line, whole and in order, though the process %s at once', async (_how, end) => {
  const lines = (await said(end)).map((line) => JSON.parse(line) as { line: number; role: string })
  expect(lines.map(({ line }) => line)).toEqual(Array.from({ length: 5000 }, (_, line) => line))
})
