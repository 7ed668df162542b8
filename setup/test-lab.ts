/**
 * What `npm run test:lab` does once the checkout is ready: runs the acceptance tests on the lab that `lab/lab up`
 * started.
 */
import { labEnvironment } from './lab-environment.js'
import { testOnLab } from './on-lab.js'
import { program } from './program.js'

await program(async () => testOnLab(['lab', 'lab-alone'], await labEnvironment()))
