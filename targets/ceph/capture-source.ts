/** The capture, open for reading where it was made. */
import { CodedError } from '../../errors/coded-error.js'
import type { OpenImage } from '../../librbd/open-images.js'
import type { RbdSnapshot } from '../../source/rbd-queries.js'
import { baseLost, captureLost } from '../../source/rbd-lost.js'
import type { RbdPlace, RbdSnapshotRef } from '../../source/source.js'
import type { Capture } from '../target.js'
import { findSnapshot } from './copy-snapshots.js'
import { ask, imageAt, isImageMissing, type Asking } from './asking.js'
import type { CephSetting } from './setting.js'

export interface CaptureSource {
  /** Asks the cluster that the volume lies in, as the user who reads there. */
  asking: Asking
  open: OpenImage
  /** Whether to believe its object map. */
  wholeObject: boolean
  /**
   * To be called after the last byte: what was read is one point in time only if the RBD snapshot still exists, and a
   * difference is right only if its base does ("torn", design section 7).
   * @throws CodedError `CK-CAPTURE-LOST`, `CK-SOURCE-BASE-LOST`
   */
  confirm(base: RbdSnapshotRef | null): Promise<void>
}

/** @throws CodedError `CK-SOURCE-NONE` when no source reaches the volume as an RBD image */
export function locateCapture(
  { sources }: CephSetting,
  { volume, maker, snapshotId, snapshotName }: Capture,
): RbdPlace {
  const { volumeId, host, nameId } = volume
  const rbd = maker === 'rbd'
  const located = sources.find(host)?.locate?.({
    volumeId,
    host,
    nameId,
    snapshotId: rbd ? null : snapshotId,
    ...(rbd && { rbdSnapshot: { name: snapshotName, id: Number(snapshotId) } }),
  })
  if (located !== undefined) return located
  throw new CodedError(
    'CK-SOURCE-NONE',
    `no source of kind rbd reaches ${host ?? 'the host'} of the volume ${volumeId}`,
    {
      cure: 'Add it to sources[] of cinderkeep.yaml on the movers: a target of kind ceph reads RBD images itself.',
    },
  )
}

/** @throws CodedError `CK-CAPTURE-LOST`, `CK-SOURCE-…` */
export async function openCapture(
  target: Asking,
  { access, object, id, wholeObjectFrom }: RbdPlace,
): Promise<CaptureSource> {
  const asking = { ...target, access }
  const { image } = object
  const snapshot = object.snapshot ?? ''
  const first = await find(snapshot)
  if (first === undefined) throw captureLost(access, object, 'does not exist')
  if (id !== undefined && first.id !== id) {
    throw captureLost(access, object, `has the id ${String(first.id)}, not ${String(id)}: it is another one`)
  }
  const open = await ask(asking, 'openImage', { ...imageAt(asking, image), snapshot, write: false }, { image })

  async function find(name: string): Promise<RbdSnapshot | undefined> {
    try {
      const all = await ask(asking, 'snapshots', imageAt(asking, image), { image })
      return findSnapshot(all, name)
    } catch (error) {
      if (isImageMissing(error)) return undefined
      throw error
    }
  }

  return {
    asking,
    open,
    wholeObject: open.flags === 0 && open.size >= wholeObjectFrom,
    confirm: async (base) => {
      const now = await find(snapshot)
      if (now?.id !== first.id || now.size !== first.size || open.size !== first.size) {
        throw captureLost(access, object, 'was deleted, replaced or resized while it was read')
      }
      if (base !== null && (await find(base.name))?.id !== base.id) throw baseLost(access, image, base)
    },
  }
}
