/**
 * What reading back has shown, on the image itself. RADOS objects are shared by all copies that have the same bytes there: one
 * that reads back wrong is wrong in its neighbours too, whatever was found of them before.
 */
import { randomBytes } from 'node:crypto'
import type { Asking } from './asking.js'
import { setMeta } from './image-meta.js'
import type { ImageState, StoredCopy } from './image-state.js'
import type { Manifest, Reading } from './manifest.js'
import { damageMeta, readingMeta } from './names.js'
import type { Seals } from './seal.js'
import type { CephSetting } from './setting.js'

/** What is to be written down of a reading, or of damage. */
interface Where {
  setting: Pick<CephSetting, 'now'>
  asking: Asking
  seals: Seals
}

/** Writes down what a reading of the copy showed: damage first, so that it is known of even if nobody lives to mark the copy. */
export async function keepReading(
  where: Where,
  { key, manifest, reading: before }: Pick<StoredCopy, 'key' | 'manifest' | 'reading'>,
  found: Omit<Reading, 'copySnapshotId'>,
): Promise<void> {
  const { asking, seals } = where
  const { image, copySnapshot } = manifest
  // the same again says nothing of what was written and read since
  const isKnown = before?.state === 'damaged' && before.leaf === found.leaf
  if (found.state === 'damaged' && !isKnown) await keepDamage(where, manifest)
  const body: Reading = { ...found, copySnapshotId: copySnapshot.id }
  await setMeta(asking, image, readingMeta(key), seals.seal('reading', `${image}@${key}`, body))
}

/** A record of the image, not of the copy: it stays when the damaged copy is removed. */
export async function keepDamage({ setting, asking, seals }: Where, { image, point }: Manifest): Promise<void> {
  const body = { id: randomBytes(6).toString('hex'), at: new Date(setting.now()).toISOString(), point }
  await setMeta(asking, image, damageMeta, seals.seal('damage', image, body))
}

/**
 * Whether the bytes of a copy are known, so that another one may share them: it is there, verified, and its reading began
 * when all damage of the image was known that is known now.
 */
export function isProof({ damage }: Pick<ImageState, 'damage'>, copy: StoredCopy): boolean {
  const { isThere, mark, reading, missed } = copy
  if (!isThere || mark.state !== 'verified' || missed !== null) return false
  return damage === null || (reading?.state === 'verified' && reading.since === damage.id)
}
