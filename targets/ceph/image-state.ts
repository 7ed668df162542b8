/** Everything that is known of one image in the pool. */
import { isImageMissing, type Asking } from './asking.js'
import { findSnapshot, listSnapshots, type CopySnapshot } from './copy-snapshots.js'
import { readMeta } from './image-meta.js'
import {
  allMissedSchema,
  damageSchema,
  manifestSchema,
  markSchema,
  readingSchema,
  writerSchema,
  type Damage,
  type Manifest,
  type Missed,
  type Reading,
  type StoredMark,
  type Writer,
} from './manifest.js'
import { damageMeta, keyOf, keysIn, manifestMeta, markMeta, missedMeta, readingMeta, writerMeta } from './names.js'
import type { Seals } from './seal.js'
import { missedBy } from './suspects.js'

export interface StoredCopy {
  key: string
  manifest: Manifest
  mark: StoredMark
  /** null when it was never read back, or nothing is known of that. */
  reading: Reading | null
  /** Whether the RBD snapshot that the manifest names is there, with its id. */
  isThere: boolean
  /** What it may lack; null for nothing. */
  missed: Missed | null
}

export interface ImageState {
  image: string
  snapshots: CopySnapshot[]
  /** The oldest capture first. */
  copies: StoredCopy[]
  writer: Writer | null
  /** The last that was found; null when none of its copies ever was. */
  damage: Damage | null
  /** What the source left out, one record for each lineage. */
  missed: Missed[]
  /** Manifests that are not trusted, with the reason: nothing of theirs is used or removed. */
  unreadable: { key: string; why: string }[]
}

/** null when there is no such image. @throws CodedError `CK-SOURCE-…`, `CK-TARGET-AWAY` */
export async function readImage(asking: Asking, seals: Seals, image: string): Promise<ImageState | null> {
  try {
    // in this order: a snapshot that is removed or made in between makes no copy look whole that is not
    const meta = await readMeta(asking, image)
    const snapshots = await listSnapshots(asking, image)
    return understandImage(seals, image, meta, snapshots)
  } catch (error) {
    if (isImageMissing(error)) return null
    throw error
  }
}

/** Pure, for tests. */
export function understandImage(
  seals: Seals,
  image: string,
  meta: ReadonlyMap<string, string>,
  snapshots: CopySnapshot[],
): ImageState {
  const copies: StoredCopy[] = []
  const unreadable: ImageState['unreadable'] = []
  for (const key of keysIn(meta)) {
    const manifest = readManifest(seals, image, key, meta.get(manifestMeta(key)) ?? '')
    if (typeof manifest === 'string') unreadable.push({ key, why: manifest })
    else {
      const { name, id } = manifest.copySnapshot
      const isThere = findSnapshot(snapshots, name)?.id === id
      const mark = readMark(seals, image, manifest, meta.get(markMeta(key)))
      const reading = readReading(seals, image, manifest, meta.get(readingMeta(key)))
      copies.push({ key, manifest, mark, reading, isThere, missed: null })
    }
  }
  copies.sort((a, b) => a.manifest.capturedAt.localeCompare(b.manifest.capturedAt))
  const missed = readMissed(seals, image, meta.get(missedMeta), copies)
  for (const one of copies) one.missed = missedBy(one.manifest, missed)
  const writer = readWriter(seals, image, meta.get(writerMeta))
  const damage = readDamage(seals, image, meta.get(damageMeta))
  return { image, snapshots, copies, writer, damage, missed, unreadable }
}

function readManifest(seals: Seals, image: string, key: string, text: string): Manifest | string {
  const opened = seals.open('manifest', image, text)
  if ('unreadable' in opened) return opened.unreadable
  const parsed = manifestSchema.safeParse(opened.body)
  if (!parsed.success) return 'its manifest has another form'
  // a record under another's name would count twice
  return keyOf(parsed.data) === key && parsed.data.image === image ? parsed.data : 'its manifest is another copy’s'
}

/** A copy of which nothing is known yet. */
export function unmarked({ copySnapshot }: Manifest): StoredMark {
  return { state: 'unverified', rootHash: null, verifiedAt: null, reason: null, copySnapshotId: copySnapshot.id }
}

/** A copy whose mark is missing, damaged, or of another RBD snapshot is one of which nothing is known. */
function readMark(seals: Seals, image: string, manifest: Manifest, text: string | undefined): StoredMark {
  const unknown = unmarked(manifest)
  if (text === undefined) return unknown
  const opened = seals.open('mark', `${image}@${keyOf(manifest)}`, text)
  if ('unreadable' in opened) return { ...unknown, reason: opened.unreadable }
  const parsed = markSchema.safeParse(opened.body)
  return parsed.success && parsed.data.copySnapshotId === manifest.copySnapshot.id ? parsed.data : unknown
}

function readReading(seals: Seals, image: string, manifest: Manifest, text: string | undefined): Reading | null {
  if (text === undefined) return null
  const opened = seals.open('reading', `${image}@${keyOf(manifest)}`, text)
  const reading = 'body' in opened ? readingSchema.safeParse(opened.body).data : undefined
  return reading?.copySnapshotId === manifest.copySnapshot.id ? reading : null
}

function readDamage(seals: Seals, image: string, text: string | undefined): Damage | null {
  if (text === undefined) return null
  const opened = seals.open('damage', image, text)
  const damage = 'body' in opened ? damageSchema.safeParse(opened.body).data : undefined
  // one that cannot be read is no reason to believe what was found before it
  return damage ?? { id: 'unreadable', at: '', point: '' }
}

function readMissed(seals: Seals, image: string, text: string | undefined, copies: StoredCopy[]): Missed[] {
  if (text === undefined) return []
  const opened = seals.open('missed', image, text)
  const parsed = 'body' in opened ? allMissedSchema.safeParse(opened.body).data : undefined
  if (parsed !== undefined) return parsed
  // which of them cannot be told any more
  const reason = 'the record of what the source left out cannot be read'
  return [...new Set(copies.map(({ manifest }) => manifest.lineage))].map((lineage) => {
    return { lineage, since: '', at: '', reason }
  })
}

function readWriter(seals: Seals, image: string, text: string | undefined): Writer | null {
  if (text === undefined) return null
  const opened = seals.open('writer', image, text)
  return 'body' in opened ? (writerSchema.safeParse(opened.body).data ?? null) : null
}
