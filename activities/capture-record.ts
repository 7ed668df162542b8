import { z } from 'zod'

/**
 * The RBD snapshot that an archive captures. Cinder's own pattern for snapshots of backups: a tenant's delete removes it
 * together with the volume; of any other name it would leave the image in the trash for ever (facts in docs/ceph.md).
 */
export const rbdCaptureName = (archiveId: string, seconds: number): string => `backup.${archiveId}.snap.${seconds}`

/** Which archive of ours made an RBD snapshot, by its name alone; null: none. */
export function archiveOfSnapshot(name: string): string | null {
  return /^backup\.([0-9a-f-]{36})\.snap\.\d+$/.exec(name)?.[1] ?? null
}

const recordSchema = z.object({
  installation: z.string(),
  archive: z.string(),
  volume: z.string(),
  purpose: z.enum(['capture', 'base']),
  bases: z.array(z.string()),
  expires: z.string(),
  at: z.string(),
  before: z.enum(['detached', 'in-use']),
  prepared: z.string().optional(),
})

/** What the image's metadata says of an RBD snapshot of ours: enough to prove it ours without Temporal. */
export interface CaptureRecord {
  installation: string
  /** The archive's id, a UUID. */
  archive: string
  /** A clone of an image takes its metadata along: a record of another volume says nothing of this image. */
  volume: string
  /** `capture`: its archive runs. `base`: the next copy on each of `bases` reads only what changed since. */
  purpose: 'capture' | 'base'
  /** Names of targets. */
  bases: string[]
  /** ISO 8601. A capture that nobody released is removed some time after it; a base has none that counts. */
  expires: string
  /** ISO 8601: just before the snapshot was asked for. */
  at: string
  /** How the volume was used before the snapshot: an attempt that finds it cannot look back. */
  before: 'detached' | 'in-use'
  /** Of a snapshot that was to be taken under a freeze: which preparation wrote this. */
  prepared?: string | undefined
}

const prefix = 'ck.'
export const recordKey = (archiveId: string): string => `${prefix}${archiveId}`

/** The records of this installation about snapshots of this volume; what cannot be read is not ours to judge. */
export function readRecords(
  metadata: ReadonlyMap<string, string>,
  ours: { installation: string; volumeId: string },
): CaptureRecord[] {
  return [...metadata].flatMap(([key, text]) => {
    if (!key.startsWith(prefix)) return []
    const record = readRecord(text)
    const isOurs =
      record?.installation === ours.installation && record.volume === ours.volumeId && key === recordKey(record.archive)
    return isOurs ? [record] : []
  })
}

function readRecord(text: string): CaptureRecord | null {
  try {
    return recordSchema.parse(JSON.parse(text))
  } catch {
    return null
  }
}
