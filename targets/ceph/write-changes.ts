/** Writes what changed since a base, and proves what did not (design section 7, inherited). */
import { CodedError } from '../../errors/coded-error.js'
import type { Piece } from '../../librbd/leaf-acts.js'
import { leafBytes, leafHashBytes, zeroLeafHash } from '../../source/hash-fold.js'
import { leafCount } from '../../source/root-of-leaves.js'
import type { Copy } from '../target.js'
import { copyLeaves, type LeafWork, type PieceWork } from './copy-leaves.js'
import { headIsCopy, withHead, type Head } from './head.js'
import type { StoredCopy } from './image-state.js'
import { inTurn, isWithin } from './in-turn.js'
import { knownHoles } from './known-holes.js'
import { extentOf, hashAt, isHashAt, zeroPiece } from './leaves.js'
import { touchedLeaves } from './touched-leaves.js'
import { isTreeWhole, readPiece } from './tree-store.js'
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
 * @throws CodedError `CK-SOURCE-BASE-LOST` when the source does not have the base, or no longer; `CK-TREE-DAMAGED`;
 * `Inherited`; `CK-CAPTURE-LOST`
 */
export async function writeChanges(job: WriteJob, base: StoredCopy, finish: Finish): Promise<Copy> {
  const { snapshotName, snapshotId } = base.manifest
  const since = { name: snapshotName, id: Number(snapshotId) }
  await job.source.confirm(since)
  // what is unchanged takes its hashes from there
  if (!(await isTreeWhole(job.asking, base))) throw baseTreeDamaged(base.manifest.point)
  return withHead(job.asking, job.image, async (opened) => {
    await job.mustStillWrite()
    const { head, count } = await writeOn(job, opened, base)
    await job.source.confirm(since)
    return finish(head, { read: 'changes', wholeObject: job.source.wholeObject, base, ...count })
  })
}

async function writeOn(job: WriteJob, opened: Head, base: StoredCopy) {
  const { asking, context, setting, source, sizeBytes } = job
  const { stallMs } = setting.pace
  context.report({ phase: 'looking for leftovers on the copy' })
  const { wholeObject } = source
  const head = await headIsCopy(asking, opened, base.manifest, { size: sizeBytes, wholeObject, stallMs })
  const count = { readBytes: 0, writtenBytes: 0 }
  await copyLeaves(job, {
    head,
    phase: 'writing what changed',
    touched: touchedLeaves(source.asking, source.open, {
      since: base.manifest.snapshotName,
      wholeObject,
      stallMs,
    }),
    from: { leaf: 0, hashes: null },
    workIn: async (piece) => workIn(job, base, piece),
    count,
  })
  return { head, count }
}

async function workIn(job: WriteJob, base: StoredCopy, piece: number): Promise<PieceWork> {
  const { setting, source } = job
  const { compare } = setting.options
  const { pieceLeaves, stallMs } = setting.pace
  const held = await hashesOf(job, base, piece)
  const pieceFirst = piece * pieceLeaves
  const all = { first: pieceFirst, end: pieceFirst + held.length / leafHashBytes }
  const range = inTurn(all, { compare, round: base.manifest.round + 1 })
  const isHole = await knownHoles(source.asking, source.open, { range, hashes: held, pieceFirst, stallMs })
  return {
    held,
    workOf: (index, touched) => {
      const isCompared = isWithin(index, range)
      return workOf(job, base, { index, touched, held, at: index - pieceFirst, isCompared, isHole })
    },
  }
}

interface KnownLeaf {
  index: number
  touched: Piece[] | null
  /** The hashes of what the head holds, and where the leaf's stands. */
  held: Buffer
  at: number
  /** With the source, although that calls it unchanged. */
  isCompared: boolean
  isHole: (leaf: number) => boolean
}

function workOf({ sizeBytes, source }: WriteJob, base: StoredCopy, leaf: KnownLeaf): LeafWork {
  const { index, touched, held, at, isCompared, isHole } = leaf
  const { hashedBytes } = base.manifest
  const { length } = extentOf(index, sizeBytes)
  const isBeyond = index * leafBytes >= hashedBytes
  // one that was cut or grown has another hash although no byte of it need have changed
  const isCut = !isBeyond && length !== extentOf(index, hashedBytes).length
  if (touched !== null) return { write: touched, unless: isCut ? null : hashAt(held, at), isLikelyHole: false }
  // beyond the base all should be zero that is not in the difference
  if (isBeyond && !isCompared) return null
  if (isCut) return { same: null, onOther: async () => Promise.resolve() }
  if (!isCompared || (isHole(index) && isHashAt(held, at, zeroLeafHash(length)))) return null
  return {
    same: hashAt(held, at),
    onOther: async () => {
      // a snapshot that was deleted meanwhile reads as something else as well
      await source.confirm(null)
      throw new Inherited(base, index * leafBytes)
    },
  }
}

/** The base's hashes where it has a leaf, zeros where it has none. */
async function hashesOf({ asking, setting, sizeBytes }: WriteJob, base: StoredCopy, index: number): Promise<Buffer> {
  const { pieceLeaves } = setting.pace
  const first = index * pieceLeaves
  const hashes = zeroPiece(first, Math.min(pieceLeaves, leafCount(sizeBytes) - first), sizeBytes)
  if (index >= base.manifest.pieces) return hashes
  const old = await readPiece(asking, base.key, index)
  if (old === null) throw baseTreeDamaged(base.manifest.point)
  old.copy(hashes)
  return hashes
}

function baseTreeDamaged(point: string): CodedError {
  return new CodedError(
    'CK-TREE-DAMAGED',
    `the hash tree of ${point} is missing in part, or not what its manifest says`,
    {
      cure: 'Nothing: the volume is read whole. Look who writes to the pool and removes objects there.',
    },
  )
}
