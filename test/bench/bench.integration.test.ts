import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Row } from '../../bench/figure.js'
import { runCommand, type Outcome } from '../../setup/command.js'
import { projectRoot } from '../../setup/project.js'

/** A moment of each figure, on the test run's servers: what it shows is that bench/ still runs. */
describe('npm run bench', () => {
  let folder: string
  let outcome: Outcome
  let report: { date: string; temporal: string; rows: (Row & { reached: boolean | null })[] }

  const bench = (...args: string[]) => runCommand(process.execPath, [join(projectRoot, 'dist/bench/main.js'), ...args])

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'ck-bench-test-'))
    const file = join(folder, 'figures.json')
    outcome = await bench('--smoke', '--json', file)
    expect(outcome.stderr).toContain('measured memory')
    report = JSON.parse(await readFile(file, 'utf8')) as typeof report
  }, 400_000)

  afterAll(async () => {
    await rm(folder, { recursive: true, force: true })
  })

  it('measures every figure beside its bare counterpart', () => {
    expect(outcome.code).toBe(0)
    expect(report.rows.map(({ work }) => work)).toEqual([
      'notification → snapshot asked for',
      'notifications of no interest',
      'notifications that signal a workflow',
      'archives, targets of no cost',
      'hint → archive → point, the same',
      expect.stringContaining('control worker') as string,
    ])
    for (const { ours, bare, ratio } of report.rows) {
      expect(ours.median).toBeGreaterThan(0)
      expect(bare?.median).toBeGreaterThan(0)
      expect(ratio?.median).toBeGreaterThan(0)
    }
  })

  it('says of each goal whether it was reached, in the table as in JSON', () => {
    const judged = report.rows.filter(({ goal }) => goal !== null)
    expect(judged).toHaveLength(5)
    for (const { work, reached } of judged) {
      const line = outcome.stdout.split('\n').find((one) => one.startsWith(work))
      expect(line).toMatch(reached === true ? /reached$/ : /missed$/)
    }
  })

  it('names the machine and the server, and what bare is', () => {
    expect(outcome.stdout).toMatch(/^\d{4}-\d\d-\d\d, \d+ × .*Temporal: /)
    expect(outcome.stdout).toContain('bare is amqplib: consume, parse twice, ack')
  })

  it('refuses a figure that does not exist, and names those that do', async () => {
    const refused = await bench('speed')
    expect(refused.code).toBe(2)
    expect(refused.stderr).toContain('There is no figure speed')
    expect(refused.stderr).toContain('latency, ignoring, signalling, archives, memory')
  })
})
