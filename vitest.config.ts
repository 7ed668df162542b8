import { defineConfig } from 'vitest/config'
import { LongFirst } from './test/helpers/long-first.js'

/**
 * Tests of the lab that stop none of its services, and neither look at what others make nor make what others look at. They
 * run side by side; then all others, each alone.
 */
const besideOthers = ['acceptance', 'acceptance-damage', 'acceptance-kill', 'conformity', 'source'].map(
  (name) => `test/lab/${name}.test.ts`,
)

/** A real cloud takes its time. */
const patient = { testTimeout: 600_000, hookTimeout: 600_000 }

/**
 * unit: pure or in-process, no server. integration: needs the Temporal server and RabbitMQ that `npm test` finds or
 * starts. lab, lab-alone: need a running `lab/` and are run by `npm run test:lab` alone. lab-nova: needs one with servers, and
 * is run by `npm run test:lab:nova` alone; its guests are emulated, so one file after the other.
 */
export default defineConfig({
  test: {
    testTimeout: 120_000,
    hookTimeout: 120_000,
    // most tests wait more than they work
    maxWorkers: 3,
    sequence: { sequencer: LongFirst },
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          include: ['test/**/*.test.ts'],
          exclude: ['test/{lab,lab-nova}/**', '**/*.integration.test.ts'],
        },
      },
      {
        extends: true,
        test: {
          name: 'integration',
          include: ['test/**/*.integration.test.ts'],
          exclude: ['test/{lab,lab-nova}/**'],
          globalSetup: 'test/helpers/worker-namespaces.ts',
          // what goes wrong is noticed by what is asserted; a busy machine is not what is tested
          testTimeout: 300_000,
          hookTimeout: 300_000,
        },
      },
      {
        extends: true,
        test: { ...patient, name: 'lab', include: besideOthers },
      },
      {
        extends: true,
        test: {
          ...patient,
          name: 'lab-alone',
          include: ['test/lab/**/*.test.ts'],
          exclude: besideOthers,
          fileParallelism: false,
        },
      },
      {
        extends: true,
        test: { ...patient, name: 'lab-nova', include: ['test/lab-nova/**/*.test.ts'], fileParallelism: false },
      },
    ],
  },
})
