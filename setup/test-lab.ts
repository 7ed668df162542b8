/**
 * What `npm run test:lab` does once the checkout is ready: runs the acceptance tests on the lab that `lab/lab up`
 * started. The lab brings its own broker; Temporal is found or started here.
 */
import { join } from 'node:path'
import { CodedError } from '../errors/coded-error.js'
import { runCommand } from './command.js'
import { program } from './program.js'
import { projectRoot } from './project.js'
import { findServices, withServices } from './services.js'
import { runVitest } from './vitest.js'

await program(async () => {
  const lab = await labEnvironment()
  const services = await findServices({ purpose: 'lab', rabbit: false })
  const counts = await withServices(services, () =>
    runVitest(['lab', 'lab-alone'], process.argv.slice(2), { ...process.env, ...lab, ...services.env }),
  )
  process.stdout.write(`\n${counts.passed} passed, ${counts.failed} failed\n`)
  return counts.failed === 0 ? 0 : 1
})

/** What `lab/lab env` tells the shell. */
async function labEnvironment(): Promise<NodeJS.ProcessEnv> {
  const lab = join(projectRoot, 'lab', 'lab')
  const script = `set -e; exports=$("$0" env); eval "$exports"; exec "$1" -p 'JSON.stringify(process.env)'`
  const { code, stdout, stderr } = await runCommand('bash', ['-c', script, lab, process.execPath])
  if (code !== 0) {
    throw new CodedError('CK-SETUP-LAB', `the lab is not up: ${stderr}`, { cure: 'Start it: lab/lab up, as root.' })
  }
  return JSON.parse(stdout) as NodeJS.ProcessEnv
}
