/**
 * What `npm test` does once the checkout is ready: checks the sources, finds or starts Temporal and RabbitMQ, runs the
 * unit and integration tests on them, stops what it started. `npm test -- test/listener` runs only those tests.
 */
import { runChecks } from './checks.js'
import { program } from './program.js'
import { findServices, withServices } from './services.js'
import { runVitest } from './vitest.js'

await program(async () => {
  const args = process.argv.slice(2)
  const failedChecks = args.length === 0 ? await runChecks() : 0
  const services = await findServices({ purpose: 'test' })
  const counts = await withServices(services, () =>
    runVitest(['unit', 'integration'], args, { ...process.env, ...services.env }),
  )
  const failed = counts.failed + failedChecks
  process.stdout.write(`\n${counts.passed} passed, ${failed} failed\n`)
  return failed === 0 ? 0 : 1
})
