import { z } from 'zod'
import { volumeRecord } from '../volume-record.js'

const text = z.string()
const maybe = z.string().nullable()
const count = z.number().int().nonnegative()

const rbdSnapshot = z.object({ name: text, id: count })
const copyKey = z.object({ archiveId: text, snapshotId: text, point: text })

/** The record that travels with a copy, and makes it one: what has no manifest is no copy. */
export const manifestSchema = z.object({
  format: z.literal(1),
  installation: text,
  target: text,
  point: text,
  archiveId: text,
  archive: text,
  slot: text,
  group: maybe,
  /** The volumes of that group, this one included. */
  members: z.array(text).optional(),
  capturedAt: text,
  consistency: z.enum(['detached', 'frozen', 'crash']),
  watchers: z.union([z.literal('none'), z.literal('unknown'), z.array(text)]),
  sizeBytes: count,
  maker: z.enum(['cinder', 'rbd']),
  snapshotId: text,
  snapshotName: text,
  volume: volumeRecord,
  /** Where the bytes lie: the image, and the RBD snapshot in it. */
  image: text,
  copySnapshot: rbdSnapshot,
  /** Of the source's snapshot: what the image, the tree and the root hash cover. */
  hashedBytes: count,
  rootHash: text,
  /** Objects of the hash tree, and how many leaves each but the last one has. */
  pieces: count,
  pieceLeaves: z.number().int().positive(),
  /** How the source was read: whole, or only what had changed since the base. */
  read: z.enum(['whole', 'changes']),
  /** Object maps were asked what holds data or changed, instead of the objects themselves. */
  wholeObject: z.boolean().default(false),
  /** The copy, verified by then, whose bytes this one shares; null when it stands alone. */
  base: copyKey.extend({ copySnapshot: rbdSnapshot }).nullable(),
  /** Copies one upon the other since the one that stands alone, 0 for that one: it tells which leaves are in their turn. */
  round: count,
  /** The point for which the source was last read whole. */
  lineage: text,
  /** One in so many unchanged leaves was compared with the source. */
  compare: z.number().int().positive(),
  /** When the copies were captured that together compared every leaf with the source, the oldest first. */
  comparedAt: z.array(text).min(1),
  readBytes: count,
  writtenBytes: count,
})
export type Manifest = z.infer<typeof manifestSchema>

export const markSchema = z.object({
  state: z.enum(['writing', 'unverified', 'verified', 'suspect', 'damaged', 'removing']),
  rootHash: maybe,
  hashedBytes: count.optional(),
  verifiedAt: maybe,
  reason: maybe,
  /** Whether it ever was verified: what is found wrong after that came with time, and not with the copy. */
  wasVerified: z.boolean().optional(),
  /** Of the copy that was judged: a mark for another RBD snapshot says nothing. */
  copySnapshotId: count,
})
export type StoredMark = z.infer<typeof markSchema>

/** What reading a copy back last showed; written by whoever read, before anyone marks the copy. */
export const readingSchema = z.object({
  state: z.enum(['verified', 'damaged']),
  /** The damage that was known of the image when the reading began; null for none. */
  since: maybe,
  /** A leaf was written for this copy and is other bytes, although its base's is right: a difference left something out. */
  isMissed: z.boolean(),
  /** The leaf that is other bytes or cannot be read; null where something else is wrong, or nothing. */
  leaf: count.nullable(),
  copySnapshotId: count,
})
export type Reading = z.infer<typeof readingSchema>

/** That a copy of the image was found damaged: what was read back before that proves nothing of the others any more. */
export const damageSchema = z.object({
  /** Another one each time, so that no clocks are compared. */
  id: text,
  /** For people. */
  at: text,
  point: text,
})
export type Damage = z.infer<typeof damageSchema>

/** Which copies may lack a block that the source left out: of a lineage, those that were captured later than `since`. */
const missedSchema = z.object({
  lineage: text,
  /** A capture, the oldest that the block may have been compared at last; empty: of that nothing is known. */
  since: text,
  /** When that was found, and how; for people. */
  at: text,
  reason: text,
})
export type Missed = z.infer<typeof missedSchema>
export const allMissedSchema = z.array(missedSchema)

/** Who writes to the image now, and how far a first copy has come. */
export const writerSchema = z.object({
  archiveId: text,
  snapshotId: text,
  /** Differs for every attempt. */
  token: text,
  pieces: count,
  /** Everything before this leaf is on the image and in the tree. */
  part: z
    .object({
      leaf: count,
      /** What the image held before, for the rest of it: a copy's key, or null for zeros. */
      against: maybe,
      hashedBytes: count,
      pieceLeaves: z.number().int().positive(),
      readBytes: count,
      writtenBytes: count,
    })
    .nullable(),
})
export type Writer = z.infer<typeof writerSchema>
