import { z } from 'zod'
import { byteCount } from '../source/options.js'

function kindNotYet(kind: string, what: string) {
  return z
    .looseObject({ kind: z.literal(kind) })
    .superRefine((_given, context) => {
      context.addIssue({
        code: 'custom',
        path: ['kind'],
        input: kind,
        message: `not available yet: ${what} does not exist in this release; targets can be of kind ceph or cinder-backup`,
      })
    })
    .transform(() => z.NEVER)
    .describe(`Not available yet: ${what}.`)
}

const cinderBackup = z
  .strictObject({
    kind: z.literal('cinder-backup').describe("Cinder's own backup service."),
    driver: z
      .enum(['ceph', 'chunked'])
      .optional()
      .describe(
        "The backup driver that Cinder is configured with: `ceph`, or `chunked` (S3, Swift, NFS, POSIX, GCS). Without it, Cinder's records " +
          "of this target's newest copies tell (this needs an admin), and until there are some, or when they differ, it is treated as " +
          '`ceph`, which is slower but never wrong.',
      ),
    container: z
      .string()
      .min(1)
      .max(255)
      .optional()
      .describe(
        "Container, bucket or directory for backups; only with `driver: chunked`. Without it, Cinder's default.",
      ),
    chain: z
      .int()
      .min(0)
      .max(100)
      .default(6)
      .describe(
        'How many incremental backups may follow a full one; 0 makes every backup a full one. A restore reads the whole chain, and one ' +
          'damaged link spoils all that follow it. Only chunked drivers and `force` copies have chains.',
      ),
    restoreRetrySeconds: z
      .int()
      .min(1)
      .max(86_400)
      .default(600)
      .describe(
        'How long to wait before a restore that the backup driver failed is tried again while a copy is read back. After the third failure ' +
          'the copy is called damaged: so it should be longer than a storage cluster is away for.',
      ),
    permits: z
      .int()
      .min(1)
      .optional()
      .describe(
        'How many archives may write to this target at once, over all volumes and movers. Without it, any number.',
      ),
  })
  .superRefine((given, context) => {
    if (given.container !== undefined && given.driver !== 'chunked') {
      context.addIssue({
        code: 'custom',
        path: ['container'],
        input: given.container,
        message:
          "can only be set together with driver: chunked (Ceph's driver cannot restore from any pool but its own)",
      })
    }
  })
export type CinderBackupOptions = z.output<typeof cinderBackup>

const cephUser = z.string().regex(/^(?!client\.)[^\s]+$/, 'the name without `client.`')

const ceph = z.strictObject({
  kind: z
    .literal('ceph')
    .describe('A pool of another Ceph cluster: an RBD image per volume, an RBD snapshot per copy.'),
  conf: z.string().min(1).describe('The ceph.conf of the cluster for copies, on each mover.'),
  zone: z
    .string()
    .regex(/^[a-z0-9][a-z0-9-]*$/, 'lower case letters, digits and dashes')
    .optional()
    .describe(
      'The zone whose movers list its copies, mark them, and clear away what archives left half done; no other process but those that ' +
        'write or read copies need reach it. Without it the zone of `sources`, if they have but one, else `default`.',
    ),
  users: z
    .strictObject({
      write: cephUser.describe('Writes, reads and marks copies.'),
      remove: cephUser.describe('Removes copies and what archives left half done.'),
    })
    .describe('The Ceph users, without `client.` (docs: least rights).'),
  keyrings: z
    .strictObject({ write: z.string().min(1).optional(), remove: z.string().min(1).optional() })
    .default({})
    .describe("The users' keyring files; without them ceph.conf and Ceph's defaults say where they lie."),
  pool: z
    .string()
    .regex(/^[^/@\s-][^/@\s]*$/, 'a Ceph pool, without `/` and `@`')
    .describe('The pool for copies; nothing else should lie in it.'),
  macKey: z
    .strictObject({ file: z.string().min(1).describe('A file of at least 32 random bytes.') })
    .describe(
      'The key that manifests and marks are authenticated with, the same on all machines: without it nothing that lies in the pool is ' +
        'taken for a copy. Keep a copy of it elsewhere; make one with `openssl rand -out FILE 64`.',
    ),
  permits: z
    .int()
    .min(1)
    .optional()
    .describe(
      'How many archives may write to this target at once, over all volumes and movers. Without it, any number.',
    ),
  bandwidth: byteCount
    .optional()
    .describe('How much a mover moves to this target at most, in each second: `200MiB`. Without it, no limit.'),
  compare: z
    .int()
    .min(1)
    .max(10_000)
    .default(32)
    .describe(
      'One in so many of the blocks that did not change is read again from the source, and from the copy, each time, in turn: so after so ' +
        'many archives every block was compared with the source. 1 compares everything every time.',
    ),
  sameCluster: z
    .boolean()
    .default(false)
    .describe(
      'Accepts copies in the very cluster that the volumes lie in. Such copies are lost together with the volumes; only for trials.',
    ),
})
export type CephTargetOptions = z.output<typeof ceph>

const targetOptions = z.discriminatedUnion('kind', [
  cinderBackup,
  ceph,
  kindNotYet('vault', 'the vault'),
  kindNotYet('tape', 'tape'),
])

export type TargetOptions = z.output<typeof targetOptions>

/** `targets:` of cinderkeep.yaml. The name of a target is part of the names of everything that it makes. */
export const targetsOptions = z
  .record(
    z
      .string()
      .regex(
        /^[A-Za-z][A-Za-z0-9-]{0,62}$/,
        'expected a name of at most 63 letters, digits and dashes that starts with a letter',
      ),
    targetOptions,
  )
  .default({})
  .describe('Where copies go, by name.')

export type TargetsOptions = z.output<typeof targetsOptions>
