import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { runCommand } from './command.js'
import { projectRoot } from './project.js'

export interface TestCounts {
  passed: number
  failed: number
}

interface VitestReport {
  numPassedTests: number
  numFailedTests: number
  testResults: { status: string; assertionResults: unknown[] }[]
}

/**
 * Runs vitest's projects with its own report on the terminal.
 * @param args paths and options passed on to vitest
 * @returns the tests counted; a file that could not even be loaded counts as one failed, a broken run likewise
 */
export async function runVitest(projects: string[], args: string[], env: NodeJS.ProcessEnv): Promise<TestCounts> {
  const folder = await mkdtemp(join(tmpdir(), 'cinderkeep-tests-'))
  const file = join(folder, 'report.json')
  try {
    const { code } = await runCommand(
      process.execPath,
      [
        join(projectRoot, 'node_modules', 'vitest', 'vitest.mjs'),
        'run',
        ...projects.flatMap((project) => ['--project', project]),
        '--reporter=default',
        '--reporter=json',
        `--outputFile.json=${file}`,
        ...args,
      ],
      { cwd: projectRoot, env, inherit: true },
    )
    return count(await readReport(file), code)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** Exported for its test. */
export function count(report: VitestReport | null, exitCode: number): TestCounts {
  if (report === null) return { passed: 0, failed: 1 }
  const unloaded = report.testResults.filter((file) => file.status === 'failed' && file.assertionResults.length === 0)
  const failed = report.numFailedTests + unloaded.length
  // an unhandled rejection fails a run in which every test passed
  return { passed: report.numPassedTests, failed: failed === 0 && exitCode !== 0 ? 1 : failed }
}

async function readReport(file: string): Promise<VitestReport | null> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as VitestReport
  } catch {
    return null // vitest ended before it wrote one, and said why
  }
}
