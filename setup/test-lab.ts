/**
 * What `npm run test:lab` does once the checkout is ready: runs the acceptance tests on the lab that `lab/lab up`
 * started. The lab brings its own broker; Temporal is found or started here.
 */
import { labEnvironment } from './lab-environment.js'
import { program } from './program.js'
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
