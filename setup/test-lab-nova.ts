/**
 * What `npm run test:lab:nova` does once the checkout is ready: runs the tests that need servers, on the lab that
 * `lab/lab up nova` started.
 */
import { CodedError } from '../errors/coded-error.js'
import { labEnvironment } from './lab-environment.js'
import { testOnLab } from './on-lab.js'
import { program } from './program.js'

await program(async () => {
  const lab = await labEnvironment()
  if (lab['LAB_LIBVIRT_URI'] === undefined)
    throw new CodedError('CK-SETUP-LAB', 'the lab has no servers', { cure: 'Start them: lab/lab up nova, as root.' })
  return testOnLab(['lab-nova'], lab)
})
