import { findServices, withServices } from './services.js'
import { runVitest } from './vitest.js'

/**
 * Runs vitest's projects on the lab that runs. The lab brings its own broker; Temporal is found or started here.
 * @returns the exit code; the last line that is printed counts the tests
 */
export async function testOnLab(projects: string[], lab: NodeJS.ProcessEnv): Promise<number> {
  const services = await findServices({ purpose: 'lab', rabbit: false })
  const counts = await withServices(services, () =>
    runVitest(projects, process.argv.slice(2), { ...process.env, ...lab, ...services.env }),
  )
  process.stdout.write(`\n${counts.passed} passed, ${counts.failed} failed\n`)
  return counts.failed === 0 ? 0 : 1
}
