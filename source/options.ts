import { z } from 'zod'

const bytesOf: Record<string, number> = { B: 1, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30, TiB: 2 ** 40 }

/** Written `200MiB` or as a number of bytes; parsed: bytes. */
export const byteCount = z.union([z.string(), z.number()]).transform((written, context) => {
  const [, amount, unit] = /^(\d+(?:\.\d+)?) *(B|KiB|MiB|GiB|TiB)$/.exec(String(written).trim()) ?? []
  const bytes = typeof written === 'number' ? written : Number(amount) * (bytesOf[unit ?? ''] ?? NaN)
  if (Number.isFinite(bytes) && bytes >= 1) return Math.floor(bytes)
  context.addIssue({ code: 'custom', message: 'expected a size such as 200MiB, or a number of bytes' })
  return z.NEVER
})

const match = z
  .string()
  .min(1)
  .describe("Pattern (`*`, `?`) for Cinder's `host@backend#pool` of a volume; the first entry that fits serves it")

const zone = z
  .string()
  .regex(/^[a-z0-9][a-z0-9-]*$/, 'lower case letters, digits and dashes')
  .default('default')
  .describe('The movers that reach this storage: they work on the task queue `move@<zone>`')

const permits = z
  .int()
  .min(1)
  .optional()
  .describe('How many archives may read volumes of one `host@backend` at once. Without it, any number')

/** RBD names its objects `pool/image@snapshot`; a pool with one of these signs would be read as another. */
const pool = z.string().regex(/^[^/@\s-][^/@\s]*$/, 'a Ceph pool, without `/` and `@`')

export const rbdSourceOptions = z.strictObject({
  match,
  kind: z.literal('rbd').describe('Volumes are RBD images `volume-<id>`, read with the `rbd` command'),
  conf: z.string().min(1).describe('The ceph.conf of the cluster, on each mover'),
  user: z
    .string()
    .regex(/^(?!client\.)[^\s]+$/, 'the name without `client.`')
    .describe('The Ceph user, without `client.`; it reads, and makes RBD snapshots (docs/ceph.md: least rights)'),
  pool: pool.describe("Cinder's `rbd_pool`"),
  parents: z
    .array(pool)
    .default([])
    .describe("Pools that hold the parents of cloned volumes, e.g. Glance's `images`; the user reads these too"),
  keyring: z
    .string()
    .min(1)
    .optional()
    .describe("The user's keyring file, on each mover; without it ceph.conf and Ceph's defaults say where it lies"),
  wholeObject: z
    .union([z.enum(['never', 'always']), byteCount])
    .default('never')
    .describe(
      'Which images are asked by their object maps what changed, seconds instead of 12 s for each TiB of their size: `never`, `always`, or ' +
        'those of at least this size, e.g. `4TiB`. An object map has been wrong before (kernel clients, Ceph bugs): a part of the blocks is ' +
        'compared with the image itself every time, and an image whose map is marked invalid is never asked so',
    ),
  trash: z
    .strictObject({
      user: z.string().regex(/^(?!client\.)[^\s]+$/, 'the name without `client.`'),
      keyring: z.string().min(1).optional(),
    })
    .optional()
    .describe(
      'A Ceph user that may delete images. A volume that is deleted at the very moment of a capture leaves its image in the trash; ' +
        'with this user such an image is removed, without it you are told (`CK-TRASH-LEFT`)',
    ),
  zone,
  permits,
})

export const fileSourceOptions = z.strictObject({
  match,
  kind: z.literal('file').describe('Volumes are files or block devices `volume-<id>`, snapshots `snapshot-<id>`'),
  dir: z.string().startsWith('/', 'an absolute path').describe('The directory that holds them, on each mover'),
  zone,
  permits,
})

/** `sources:` of cinderkeep.yaml: where movers read volumes themselves. */
export const sourcesOptions = z
  .array(z.discriminatedUnion('kind', [rbdSourceOptions, fileSourceOptions]))
  .default([])
  .describe("Where movers read volumes themselves: a map from Cinder's `host@backend#pool`; the first match serves")

export type RbdSourceOptions = z.infer<typeof rbdSourceOptions>
export type FileSourceOptions = z.infer<typeof fileSourceOptions>
export type SourcesOptions = z.infer<typeof sourcesOptions>
