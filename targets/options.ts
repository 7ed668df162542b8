import { z } from 'zod'

function kindNotYet(kind: string, what: string) {
  return z
    .looseObject({ kind: z.literal(kind) })
    .superRefine((_given, context) => {
      context.addIssue({
        code: 'custom',
        path: ['kind'],
        input: kind,
        message: `not available yet: ${what} does not exist in this release; targets can be of kind cinder-backup`,
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

const targetOptions = z.discriminatedUnion('kind', [
  cinderBackup,
  kindNotYet('ceph', 'copying to another Ceph cluster'),
  kindNotYet('vault', 'the vault'),
  kindNotYet('tape', 'tape'),
])

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
