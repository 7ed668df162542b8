import { z } from 'zod'
import { duration } from '../policy/options.js'

/** `quiesce:` of cinderkeep.yaml: agents on compute hosts, and how long they keep a guest frozen. */
export const quiesceOptions = z
  .strictObject({
    uri: z
      .string()
      .min(1)
      .default('qemu:///system')
      .describe('The libvirt that the agent on a compute host speaks to.'),
    hypervisor: z
      .string()
      .regex(/^\S+$/, "Nova's hypervisor hostname")
      .optional()
      .describe(
        "Nova's hypervisor hostname of the compute host (`openstack hypervisor list`): the agent serves the task queue `quiesce@<it>`. " +
          'Without it, the name that libvirt itself gives, which is where Nova has it from.',
      ),
    dir: z
      .string()
      .startsWith('/', 'an absolute path')
      .default('/var/lib/cinderkeep/quiesce')
      .describe('Where the agent writes what it has frozen. On a disk that survives a reboot, of this host alone.'),
    limit: duration
      .refine((seconds) => seconds >= 1 && seconds <= 600, { error: 'expected at least 1s and at most 10m' })
      .prefault('10s')
      .describe(
        'A guest is frozen no longer than this. What asks for a freeze says it, and an agent never allows more than its own file does.',
      ),
  })
  .prefault({})
  .describe('How guests are frozen: docs/quiesce.md.')
