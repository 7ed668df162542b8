/** Writes what changed since a base, and proves what did not (design section 7, inherited). */
import { CodedError } from '../../errors/coded-error.js'
import { leafBytes } from '../../source/hash-fold.js'
import { leafCount } from '../../source/root-of-leaves.js'
import type { OpenBytes } from '../../source/source.js'
import { headIsCopy } from './head.js'
import type { StoredCopy } from './image-state.js'
import { startImportDiff, type ImportDiff } from './import-diff.js'
import {
  bytesOf,
  extentOf,
  hashAt,
  hashOfLeaf,
  isWhole,
  joined,
  leavesOf,
  setHash,
  zeroPiece,
  type Leaf,
} from './leaves.js'
import { peekable, type Peekable } from './peekable.js'
import { piecesOf, readPiece, writePiece } from './tree-store.js'
import { pacer, type WriteJob, type Written } from './write-job.js'

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
 * @throws CodedError `CK-SOURCE-BASE-LOST` before anything is written, when the source no longer has the base; `Inherited`;
 * `CK-CAPTURE-LOST`
 */
export async function writeChanges(job: WriteJob, base: StoredCopy): Promise<Written> {
  const { asking, context, image, setting, snapshotName, sizeBytes } = job
  const { manifest } = base
  const bytes = await job.open()
  if (bytes.readSince === undefined) throw noDifferences(manifest.point)
  const since = { name: manifest.snapshotName, id: Number(manifest.snapshotId) }
  const leaves = peekable(leavesOf(bytes.readSince(since, context.signal)))
  let diff: ImportDiff | undefined
  try {
    // whether the source still has the base shows only now
    await leaves.peek()
    context.report({ phase: 'looking for leftovers on the copy' })
    await headIsCopy(asking, manifest)
    const head = { from: manifest.copySnapshot.name, to: snapshotName, size: sizeBytes }
    diff = await startImportDiff(asking.access, image, head, { signal: context.signal, stallMs: setting.pace.stallMs })
    const moved = await writePieces(job, base, bytes, leaves, diff)
    await bytes.confirm()
    await job.mustStillWrite()
    context.report({ phase: 'finishing the copy', doneBytes: sizeBytes, totalBytes: sizeBytes })
    await diff.finish()
    return { read: 'changes', base, ...moved }
  } finally {
    await diff?.kill()
    await leaves.close()
  }
}

async function writePieces(
  job: WriteJob,
  base: StoredCopy,
  bytes: OpenBytes,
  leaves: Peekable<Leaf>,
  diff: ImportDiff,
): Promise<Pick<Written, 'readBytes' | 'writtenBytes'>> {
  const { asking, key, setting, sizeBytes } = job
  const { pieceLeaves } = setting.pace
  const pace = pacer(job, 'writing what changed')
  let readBytes = 0
  let writtenBytes = 0
  for (let index = 0; index < piecesOf(sizeBytes, pieceLeaves); index += 1) {
    const first = index * pieceLeaves
    const piece = await pieceOfBase(job, base, index)
    const compared: number[] = []
    for (
      let leaf = await leaves.peek();
      leaf !== undefined && leaf.index < first + piece.count;
      leaf = await leaves.peek()
    ) {
      leaves.take()
      for (const one of joined(leaf.runs)) await ('zero' in one ? diff.zero(one) : diff.data(one))
      const moved = bytesOf(leaf)
      writtenBytes += moved
      readBytes += moved
      await pace(leaf.index * leafBytes, moved)
      const isKnown = isWhole(leaf, sizeBytes)
      if (isKnown) setHash(piece.hashes, leaf.index - first, hashOfLeaf(leaf, sizeBytes))
      piece.state[leaf.index - first] = isKnown ? known : partly
    }
    for (let at = 0; at < piece.count; at += 1) {
      if (piece.state[at] === unchanged && isCompared(base, setting.options.compare, first + at))
        compared.push(first + at)
      else if (piece.state[at] === partly) compared.push(first + at)
    }
    const ranges = compared.map((one) => extentOf(one, sizeBytes))
    for await (const leaf of leavesOf(bytes.readRanges(ranges, job.context.signal))) {
      if (leaf.index !== compared.shift() || !isWhole(leaf, sizeBytes)) throw missing(leaf.index)
      const hash = hashOfLeaf(leaf, sizeBytes)
      const at = leaf.index - first
      if (piece.state[at] === unchanged && !hash.equals(hashAt(piece.hashes, at))) {
        // a snapshot that was deleted meanwhile reads as something else as well
        await bytes.confirm()
        throw new Inherited(base, leaf.index * leafBytes)
      }
      setHash(piece.hashes, at, hash)
      const moved = bytesOf(leaf)
      readBytes += moved
      await pace(leaf.index * leafBytes, moved)
    }
    if (compared.length > 0) throw missing(compared[0] ?? 0)
    await writePiece(asking, key, index, piece.hashes)
  }
  return { readBytes, writtenBytes }
}

const unchanged = 0
/** Its hash is known from what changed. */
const known = 1
/** It has to be read whole for its hash. */
const partly = 2

/** The base's hashes where they still mean the same bytes; what the base did not have is zero unless it changed. */
async function pieceOfBase(
  { asking, setting, sizeBytes }: WriteJob,
  { key, manifest }: StoredCopy,
  index: number,
): Promise<{ hashes: Buffer; state: Uint8Array; count: number }> {
  const { pieceLeaves } = setting.pace
  const first = index * pieceLeaves
  const count = Math.min(pieceLeaves, leafCount(sizeBytes) - first)
  const hashes = zeroPiece(first, count, sizeBytes)
  const state = new Uint8Array(count)
  const old = index < manifest.pieces ? await readPiece(asking, key, index) : Buffer.alloc(0)
  if (old === null) throw baseTreeMissing(manifest.point)
  const common = Math.min(count, leafCount(manifest.hashedBytes) - first)
  for (let at = 0; at < common; at += 1) {
    const isSame = extentOf(first + at, sizeBytes).length === extentOf(first + at, manifest.hashedBytes).length
    if (isSame) setHash(hashes, at, hashAt(old, at))
    // cut or grown: its hash is another one although no byte of it need have changed
    else state[at] = partly
  }
  // beyond the base all is zero that is not in the difference: there is nothing to compare it with
  for (let at = Math.max(common, 0); at < count; at += 1) state[at] = known
  return { hashes, state, count }
}

function isCompared({ manifest }: StoredCopy, compare: number, leaf: number): boolean {
  return leaf % compare === (manifest.round + 1) % compare
}

/** A source that reads less than it was asked for would make zeros of the rest. */
function missing(leaf: number): CodedError {
  return new CodedError(
    'CK-SOURCE-ORDER',
    `a source did not read the block at ${leaf * leafBytes} that it was asked for`,
    {
      cure: 'Nothing of it is used. This is a fault of Cinderkeep: please report it.',
    },
  )
}

function noDifferences(point: string): CodedError {
  return new CodedError('CK-SOURCE-BASE-LOST', `the source cannot say what changed since ${point}`, {
    cure: 'Nothing: the volume is read whole.',
  })
}

function baseTreeMissing(point: string): CodedError {
  return new CodedError('CK-TREE-DAMAGED', `a part of the hash tree of ${point} is missing`, {
    cure: 'Nothing: the volume is read whole. Look who removes objects from the pool.',
  })
}
