import { CodedError } from '../../errors/coded-error.js'
import type { Copy, CopyContext } from '../target.js'
import { withAsking, type Asking } from './asking.js'
import { keepDamage } from './evidence.js'
import { setMeta } from './image-meta.js'
import { readImage, type StoredCopy } from './image-state.js'
import { keyOf, markMeta } from './names.js'
import { openSeals, type Seals } from './seal.js'
import type { CephSetting } from './setting.js'
import { toCopy } from './to-copy.js'

export type Mark = Pick<Copy, 'state' | 'rootHash' | 'hashedBytes' | 'verifiedAt' | 'reason'>

/** @throws CodedError `CK-COPY-GONE`, `CK-COPY-NOT-OURS` */
export async function markCopy(setting: CephSetting, copy: Copy, verdict: Mark, context: CopyContext): Promise<Copy> {
  const seals = await openSeals(setting.options.macKey.file)
  return withAsking(setting, 'write', context.signal, async (asking) => {
    const stored = await findCopy(setting, asking, seals, copy)
    const { image, copySnapshot } = stored.manifest
    // the mark is of what was read: a copy that was written anew since then was not
    if (String(copySnapshot.id) !== copy.ref['snapshotId']) throw copyGone(copy, 'was written anew since')
    // before the mark; whoever read the copy has written it down already
    const isNews =
      verdict.state === 'damaged' && stored.mark.state !== 'removing' && stored.reading?.state !== 'damaged'
    if (isNews) await keepDamage({ setting, asking, seals }, stored.manifest)
    await writeMark(asking, seals, stored, verdict)
    const marked = toCopy(setting, { ...stored, mark: { ...verdict, copySnapshotId: copySnapshot.id } })
    return { ...marked, rootHash: verdict.rootHash, ref: { ...copy.ref, image } }
  })
}

export async function writeMark(
  asking: Asking,
  seals: Seals,
  { key, manifest, mark: before }: StoredCopy,
  mark: Mark,
): Promise<void> {
  const { image, copySnapshot } = manifest
  const { state, rootHash, hashedBytes, verifiedAt, reason } = mark
  const wasVerified = state === 'verified' || before.state === 'verified' || before.wasVerified === true
  const body = { state, rootHash, hashedBytes, verifiedAt, reason, wasVerified, copySnapshotId: copySnapshot.id }
  await setMeta(asking, image, markMeta(key), seals.seal('mark', `${image}@${key}`, body))
}

/** @throws CodedError `CK-COPY-GONE` when it has no manifest, `CK-COPY-NOT-OURS` */
export async function findCopy(setting: CephSetting, asking: Asking, seals: Seals, copy: Copy): Promise<StoredCopy> {
  const image = copy.ref['image'] ?? ''
  const state = await readImage(asking, seals, image)
  const key = keyOf(copy)
  const stored = state?.copies.find((one) => one.key === key)
  if (stored === undefined) {
    throw copyGone(copy, state?.unreadable.find((one) => one.key === key)?.why ?? 'has no manifest any more')
  }
  if (stored.manifest.installation !== setting.installation) {
    throw new CodedError('CK-COPY-NOT-OURS', `the copy ${copy.point} in ${image} was made by another installation`, {
      cure: 'Nothing was changed. Look at `installation` in cinderkeep.yaml.',
    })
  }
  return stored
}

function copyGone({ point, ref }: Copy, what: string): CodedError {
  return new CodedError('CK-COPY-GONE', `the copy ${point} in ${ref['image'] ?? 'no image'} ${what}`, {
    cure: 'Nothing, when somebody removed it; else look who writes to the pool of copies.',
  })
}
