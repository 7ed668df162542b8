/** Writes what changed since a base, and proves what did not (design section 7, inherited). */
import { CodedError } from '../../errors/coded-error.js'
import type { Piece } from '../../librbd/leaf-acts.js'
import { leafBytes, zeroLeafHash } from '../../source/hash-fold.js'
import { leafCount } from '../../source/root-of-leaves.js'
import type { Copy } from '../target.js'
import { copyLeaves, type LeafWork } from './copy-leaves.js'
import { headIsCopy, withHead, type Head } from './head.js'
import type { StoredCopy } from './image-state.js'
import { isInTurn } from './in-turn.js'
import { extentOf, zeroPiece } from './leaves.js'
import { touchedLeaves } from './touched-leaves.js'
import { readPiece } from './tree-store.js'
import type { Finish, WriteJob } from './write-job.js'

/** A block that the source called unchanged is not what the copy has. */
export class Inherited extends CodedError {
  override readonly name = 'Inherited'

  constructor({ manifest }: StoredCopy, offset: number) {
    super(
      'CK-COPY-INHERITED',
      `the source has other bytes at ${offset} than the copy ${manifest.point}, although it says that nothing changed there`,
      {
        cure: 'Copies made since then are suspect; the volume is read whole. Look at the object map: rbd info, rbd object-map check.',
      },
    )
  }
}

/**
 * @param finish makes a copy of what is written; asked when the source has confirmed
 * @throws CodedError `CK-SOURCE-BASE-LOST` when the source does not have the base, or no longer; `Inherited`;
 * `CK-CAPTURE-LOST`
 */
export async function writeChanges(job: WriteJob, base: StoredCopy, finish: Finish): Promise<Copy> {
  const { snapshotName, snapshotId } = base.manifest
  const since = { name: snapshotName, id: Number(snapshotId) }
  await job.source.confirm(since)
  return withHead(job.asking, job.image, async (opened) => {
    await job.mustStillWrite()
    const { head, count } = await writeOn(job, opened, base)
    await job.source.confirm(since)
    return finish(head, { read: 'changes', base, ...count })
  })
}

async function writeOn(job: WriteJob, opened: Head, base: StoredCopy) {
  const { asking, context, setting, source, sizeBytes } = job
  const { stallMs } = setting.pace
  context.report({ phase: 'looking for leftovers on the copy' })
  const head = await headIsCopy(asking, opened, base.manifest, { size: sizeBytes, stallMs })
  const count = { readBytes: 0, writtenBytes: 0 }
  await copyLeaves(job, {
    head,
    phase: 'writing what changed',
    touched: touchedLeaves(source.asking, source.open, {
      since: base.manifest.snapshotName,
      wholeObject: source.wholeObject,
      stallMs,
    }),
    from: { leaf: 0, hashes: null },
    heldHashes: async (piece) => hashesOf(job, base, piece),
    work: (index, touched, held) => workOf(job, base, { index, touched, held }),
    count,
  })
  return { head, count }
}

function workOf(
  { setting, sizeBytes, source }: WriteJob,
  base: StoredCopy,
  { index, touched, held }: { index: number; touched: Piece[] | null; held: Buffer },
): LeafWork {
  const { hashedBytes, round } = base.manifest
  const { length } = extentOf(index, sizeBytes)
  const isBeyond = index * leafBytes >= hashedBytes
  // one that was cut or grown has another hash although no byte of it need have changed
  const isCut = !isBeyond && length !== extentOf(index, hashedBytes).length
  if (touched !== null) return { write: touched, unless: isCut ? null : held, isLikelyHole: false }
  // beyond the base all is zero that is not in the difference: there is nothing to compare it with
  if (isBeyond) return { hash: held }
  if (isCut) return { same: null, onOther: async () => Promise.resolve(), isLikelyHole: false }
  if (!isInTurn(index, { compare: setting.options.compare, round: round + 1 })) return { hash: held }
  return {
    same: held,
    onOther: async () => {
      // a snapshot that was deleted meanwhile reads as something else as well
      await source.confirm(null)
      throw new Inherited(base, index * leafBytes)
    },
    isLikelyHole: held.equals(zeroLeafHash(length)),
  }
}

/** The base's hashes where it has a leaf, zeros where it has none. */
async function hashesOf({ asking, setting, sizeBytes }: WriteJob, base: StoredCopy, index: number): Promise<Buffer> {
  const { pieceLeaves } = setting.pace
  const first = index * pieceLeaves
  const hashes = zeroPiece(first, Math.min(pieceLeaves, leafCount(sizeBytes) - first), sizeBytes)
  if (index >= base.manifest.pieces) return hashes
  const old = await readPiece(asking, base.key, index)
  if (old === null) throw baseTreeMissing(base.manifest.point)
  old.copy(hashes)
  return hashes
}

function baseTreeMissing(point: string): CodedError {
  return new CodedError('CK-TREE-DAMAGED', `a part of the hash tree of ${point} is missing`, {
    cure: 'Nothing: the volume is read whole. Look who removes objects from the pool.',
  })
}
