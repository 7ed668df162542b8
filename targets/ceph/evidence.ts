/**
 * What reading back has shown, on the image itself. RADOS objects are shared by all copies that have the same bytes there: one
 * that reads back wrong is wrong in its neighbours too, whatever was found of them before.
 */
import { randomBytes } from 'node:crypto'
import type { Asking } from './asking.js'
import { setMeta } from './image-meta.js'
import type { ImageState, StoredCopy } from './image-state.js'
import type { Manifest, Reading } from './manifest.js'
import { damageMeta, keyOf, readingMeta } from './names.js'
import type { Seals } from './seal.js'
import type { CephSetting } from './setting.js'

/** What is to be written down of a reading, or of damage. */
interface Where {
  setting: Pick<CephSetting, 'now'>
  asking: Asking
  seals: Seals
}

/**
 * Writes down what a reading of the copy showed: damage first, so that it is known of even if nobody lives to mark the copy.
 * @param state the image when the reading began: whether damage was known by then counts
 * @param isMissed asked when damage is written down; what an earlier reading found of that stands
 */
export async function keepReading(
  where: Where,
  state: Pick<ImageState, 'copies' | 'damage'>,
  copy: StoredCopy,
  found: Pick<Reading, 'state' | 'leaf'>,
  isMissed: () => Promise<boolean>,
): Promise<void> {
  const { asking, seals } = where
  const { key, manifest, reading: before } = copy
  const { image, copySnapshot } = manifest
  if (found.state === 'damaged' && !isNoNews(state, copy, found.leaf)) await keepDamage(where, manifest)
  const body: Reading = {
    ...found,
    since: state.damage?.id ?? null,
    isMissed: before?.isMissed === true || (await isMissed()),
    copySnapshotId: copySnapshot.id,
  }
  await setMeta(asking, image, readingMeta(key), seals.seal('reading', `${image}@${key}`, body))
}

/** The same once more takes the proof from no copy that shares nothing with this one. */
function isNoNews(state: Pick<ImageState, 'copies' | 'damage'>, copy: StoredCopy, leaf: number | null): boolean {
  const { reading } = copy
  if (reading?.state !== 'damaged' || reading.leaf !== leaf) return false
  const root = rootOf(state, copy)
  return !state.copies.some((one) => isProof(state, one) && [null, root].includes(rootOf(state, one)))
}

/** The key of the copy that stands alone and that this one was built upon, in steps; null when one of them is gone. */
function rootOf({ copies }: Pick<ImageState, 'copies'>, copy: StoredCopy): string | null {
  let at: StoredCopy | undefined = copy
  while (at !== undefined) {
    const { base }: Manifest = at.manifest
    if (base === null) return at.key
    at = copies.find(({ key }) => key === keyOf(base))
  }
  return null
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
