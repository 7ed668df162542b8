import { z } from 'zod'
import { CronFault, readCron } from './cron.js'
import { exclusiveEvents, triggerEvents } from './events.js'
import { readGib, readSeconds } from './measures.js'
import type { Condition, Policy } from './policy.js'
import { findTimezone } from './timezone.js'
import { readWindow } from './window.js'

/** An option that a later release will have: refused with the reason, for an ignored one would be a broken promise. */
function notYet(needs: string) {
  return z
    .never({ error: `not available yet: ${needs}` })
    .optional()
    .describe(`Not available yet: ${needs}.`)
}

const everythingIsKept = 'retention does not exist in this release, everything is kept'

const size = z.union([z.string(), z.number()]).transform((written, context) => {
  const gib = readGib(written)
  if (gib !== null) return gib
  context.addIssue({ code: 'custom', message: 'expected a size such as 10GiB or 2TiB, or a number of GiB' })
  return z.NEVER
})

/** Written `30s`, `5m`, `2h` or as a number of seconds; parsed: seconds. */
export const duration = z.union([z.string(), z.number()]).transform((written, context) => {
  const seconds = readSeconds(written)
  if (seconds !== null) return seconds
  context.addIssue({ code: 'custom', message: 'expected a duration such as 30s, 5m or 2h, or a number of seconds' })
  return z.NEVER
})

const cron = z
  .string({ error: 'expected five fields of cron in quotes, such as "0 */6 * * *"' })
  .transform((written, context) => {
    try {
      readCron(written)
      return written.trim().split(/\s+/).join(' ')
    } catch (error) {
      if (!(error instanceof CronFault)) throw error
      context.addIssue({ code: 'custom', message: error.message })
      return z.NEVER
    }
  })

const timezone = z.string({ error: 'expected a time zone such as Europe/Zurich' }).superRefine((written, context) => {
  const found = findTimezone(written)
  if (found === written) return
  const meant = found === null ? '' : `; did you mean "${found}"?`
  context.addIssue({
    code: 'custom',
    input: written,
    message: `is no time zone that this Node.js knows; expected an IANA name such as Europe/Zurich or UTC${meant}`,
  })
})

/** Written `22:00-06:00`; parsed: minutes of the day. YAML 1.2 reads it as a text. */
const window = z.string({ error: 'expected a time of day such as "22:00-06:00"' }).transform((written, context) => {
  const read = readWindow(written)
  if (read !== null) return read
  context.addIssue({
    code: 'custom',
    message: 'expected a time of day such as 22:00-06:00 (24 hours, from and to differ); leave it out for any time',
  })
  return z.NEVER
})

const words = (what: string) =>
  z
    .union([z.string().min(1), z.array(z.string().min(1)).min(1)], { error: `expected ${what}, or a list of them` })
    .transform((one) => (typeof one === 'string' ? [one] : one))

/** Metadata values are strings in Cinder; YAML reads `yes` and `1` as something else. */
const metadataValue = z
  .union([z.string(), z.number(), z.boolean()], { error: 'expected a text; `*` and `?` may stand for any characters' })
  .transform((value) => String(value))

const wouldFitAll = 'without any it would fit every volume'

const conditionParts = {
  project: words('a project id or name').optional().describe('Ids or names of projects; one of them must fit.'),
  metadata: z
    .record(z.string(), metadataValue)
    .refine((keys) => Object.keys(keys).length > 0, { error: `expected at least one key: ${wouldFitAll}` })
    .optional()
    .describe("Keys of the volume's metadata and their values; all must fit. `*` and `?` are wildcards."),
  type: words('the name of a volume type')
    .optional()
    .describe('Names of volume types; one must fit. `*` and `?` are wildcards.'),
  name: words('a name or pattern')
    .optional()
    .describe("Patterns for the volume's name; one must fit. `*` and `?` are wildcards."),
  server: words('a server id or a name or pattern')
    .optional()
    .describe(
      'Ids of servers, or patterns for their names; a server that has the volume attached must fit one. A detached volume never does.',
    ),
  size: z
    .strictObject({
      atLeast: size.optional().describe('The smallest size that fits: `10GiB`, `2TiB`, or a number of GiB.'),
      atMost: size.optional().describe('The largest size that fits.'),
    })
    .refine(({ atLeast, atMost }) => (atLeast ?? atMost) !== undefined, {
      error: `expected atLeast or atMost: ${wouldFitAll}`,
    })
    .refine(({ atLeast = 0, atMost = Infinity }) => atLeast <= atMost, {
      error: 'no volume can fit: atLeast is more than atMost',
    })
    .optional()
    .describe("Limits for the volume's size."),
}

const condition = z
  .strictObject(conditionParts)
  .refine((given) => Object.values(given).some((part) => part !== undefined), {
    error:
      'expected at least one of project, metadata, type, name, server, size: without any it would exclude every volume',
  })

const where = z.strictObject({
  ...conditionParts,
  exclude: condition.optional().describe('Volumes that fit all of these parts are not protected by this policy.'),
})

const level = z.enum(['detached', 'frozen', 'crash'])

const copy = z.strictObject({
  target: z.string().describe('Where this copy goes: a name under `targets`.'),
  force: z
    .strictObject({
      maxSize: size.describe('Volumes larger than this are never backed up this way: `100GiB`.'),
      window: window
        .optional()
        .describe(
          "Outside this time of day the copy is a full one, which does not hold the volume: `22:00-06:00`, in the policy's time zone.",
        ),
    })
    .optional()
    .describe(
      "Only for `cinder-backup` with Ceph's driver: an incremental backup of the volume itself, in use or not. It is `crash` " +
        'consistent and holds the volume in `backing-up` (no attach, extend, delete or live migration) for as long as it takes. ' +
        'Never together with `volume.create.end` or detach events.',
    ),
  keep: notYet(everythingIsKept),
  prove: notYet('copies are verified when they are written, not again later, in this release'),
})

const policyOptions = z
  .strictObject({
    protect: z
      .enum(['volumes', 'servers'])
      .default('volumes')
      .describe(
        'What is captured at once: `volumes`, each by itself; `servers`, all volumes of a server that the policy protects, under one ' +
          'freeze of its filesystems. A volume that no server has attached is captured by itself.',
      ),
    where: where.default({}).describe('Which volumes: all given parts must fit. Without any part, every volume.'),
    on: z
      .array(z.enum(triggerEvents))
      .default([])
      .describe(
        'Notifications that ask for an archive. Without any and without `every`, only `cinderkeep archive` makes one.',
      ),
    settle: duration
      .prefault('30s')
      .describe(
        'A burst of events within this time from the first is one archive: `30s`, `5m`, or a number of seconds.',
      ),
    consistency: z
      .strictObject({
        prefer: z
          .array(level)
          .min(1)
          .default(['detached', 'crash'])
          .describe(
            'What is tried, in this order: `detached` (no attachment, or a server that is shut off), `frozen` (the guests froze their ' +
              'filesystems: by the agent on the compute host, else by Nova), `crash` (neither detached nor frozen).',
          ),
        require: level
          .default('crash')
          .describe(
            'The least that is accepted; below it the archive fails instead. From best to least: `detached`, `frozen`, `crash`.',
          ),
      })
      .default({ prefer: ['detached', 'crash'], require: 'crash' })
      .describe('How consistent a capture must be.'),
    copies: z.array(copy).min(1).describe('The copies that each archive makes, one on each target.'),
    every: cron
      .optional()
      .describe(
        'When archives are due besides events: five fields of cron (minute hour day month weekday), as Temporal reads them. ' +
          'At times that a clock put forward leaves out there is none; at those that it shows twice there are two.',
      ),
    timezone: timezone.default('UTC').describe('IANA time zone of `every` and of the windows: `Europe/Zurich`.'),
    window: window
      .optional()
      .describe(
        'The time of day in which archives may begin: `22:00-06:00`. What is asked for outside waits, but for what a person asks for.',
      ),
    permits: z
      .int()
      .min(1)
      .optional()
      .describe('How many archives of this policy may run at once. Without it, any number.'),
    rpo: duration
      .optional()
      .describe('A volume whose last verified point is older than this is overdue: `8h`. Without it, none ever is.'),
    keep: notYet(everythingIsKept),
    prove: notYet('copies are verified when they are written, not again later, in this release'),
  })
  .superRefine((policy, context) => {
    const { prefer, require } = policy.consistency
    if (require !== 'crash' && !prefer.some((one) => one === require || one === 'detached')) {
      context.addIssue({
        code: 'custom',
        path: ['consistency', 'require'],
        message: 'can never be reached: it is not in consistency.prefer',
        input: require,
      })
    }
    if (policy.protect === 'servers' && !prefer.includes('frozen')) {
      context.addIssue({
        code: 'custom',
        path: ['consistency', 'prefer'],
        message:
          'expected frozen among them: volumes of a server are captured under one freeze, e.g. [detached, frozen, crash]',
        input: prefer,
      })
    }
    policy.copies.forEach((one, index) => {
      if (policy.copies.findIndex((other) => other.target === one.target) < index) {
        context.addIssue({
          code: 'custom',
          path: ['copies', index, 'target'],
          message: 'stands twice; a policy makes one copy on each target',
          input: one.target,
        })
      }
      if (one.force === undefined) return
      if (policy.protect === 'servers') {
        context.addIssue({
          code: 'custom',
          path: ['copies', index, 'force'],
          message:
            'takes a snapshot of its own, later than the other volumes of the server; take it out, or protect volumes',
        })
      }
      const wrong = policy.on.filter((event) => exclusiveEvents.includes(event))
      if (wrong.length > 0) {
        context.addIssue({
          code: 'custom',
          path: ['copies', index, 'force'],
          message: `holds the volume while someone is about to attach it, so it may not follow ${wrong.join(', ')}; take that out of \`on\``,
        })
      }
      if (policy.consistency.require !== 'crash') {
        context.addIssue({
          code: 'custom',
          path: ['copies', index, 'force'],
          message: `is never better than crash, but consistency.require is ${policy.consistency.require}`,
        })
      }
    })
  })

/**
 * `policies:` of cinderkeep.yaml, in file order: the first that matches a volume protects it. Names start with a letter:
 * JavaScript would move a key such as `10` to the front.
 */
export const policiesOptions = z
  .record(
    z
      .string()
      .regex(
        /^[A-Za-z][A-Za-z0-9._-]*$/,
        'expected a name that starts with a letter, of letters, digits, dots, dashes and underscores',
      ),
    policyOptions,
  )
  .default({})
  .describe('Policies by name, in order: the first that matches a volume protects it.')

type PoliciesOptions = z.output<typeof policiesOptions>

/** Options as parsed → the plain data that `select` and `assess` work with. */
export function toPolicies(options: PoliciesOptions): Policy[] {
  return Object.entries(options).map(([name, policy]) => {
    const { exclude, ...condition } = policy.where
    return {
      name,
      protect: policy.protect,
      where: { ...toCondition(condition), ...(exclude !== undefined && { exclude: toCondition(exclude) }) },
      on: [...policy.on],
      settleSeconds: policy.settle,
      consistency: { prefer: [...policy.consistency.prefer], require: policy.consistency.require },
      copies: policy.copies.map((copy) => ({
        target: copy.target,
        force: copy.force === undefined ? null : { maxSizeGib: copy.force.maxSize, window: copy.force.window ?? null },
      })),
      every: policy.every ?? null,
      timezone: policy.timezone,
      window: policy.window ?? null,
      permits: policy.permits ?? null,
      rpoSeconds: policy.rpo ?? null,
    }
  })
}

function toCondition(given: z.output<typeof condition>): Condition {
  return {
    ...(given.project !== undefined && { project: given.project }),
    ...(given.metadata !== undefined && { metadata: given.metadata }),
    ...(given.type !== undefined && { type: given.type }),
    ...(given.name !== undefined && { name: given.name }),
    ...(given.server !== undefined && { server: given.server }),
    ...(given.size !== undefined && {
      size: {
        ...(given.size.atLeast !== undefined && { atLeastGib: given.size.atLeast }),
        ...(given.size.atMost !== undefined && { atMostGib: given.size.atMost }),
      },
    }),
  }
}
