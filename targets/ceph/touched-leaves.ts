import { CodedError } from '../../errors/coded-error.js'
import type { Piece } from '../../librbd/leaf-acts.js'
import { leafBytes } from '../../source/hash-fold.js'
import { ask, type Asking } from './asking.js'

/** A leaf that a difference names, with the parts of it that it names. */
export interface TouchedLeaf {
  index: number
  pieces: Piece[]
}

/** How much is asked about at once: a window in pieces of 4 KiB is some ten MB; the object map is loaded for each. */
const windowBytes = { plain: 2 ** 30, wholeObject: 2 ** 40 }

/**
 * The leaves of an open image or RBD snapshot that may differ from one of its RBD snapshots, or with null: that may hold
 * data. In their order.
 * @param of.from the first byte that is asked about; a leaf begins there
 * @param of.until the first that is not; by default the image's end
 * @param of.stallMs a cluster that does not answer for so long is away
 * @throws CodedError `CK-SOURCE-STREAM` for an answer that cannot be
 */
export async function* touchedLeaves(
  asking: Asking,
  open: { open: number; size: number },
  of: { since: string | null; from?: number; until?: number; wholeObject?: boolean; stallMs: number },
): AsyncGenerator<TouchedLeaf, void, undefined> {
  const { since, from = 0, until = open.size, wholeObject = false, stallMs } = of
  const step = wholeObject ? windowBytes.wholeObject : windowBytes.plain
  const end = Math.min(until, open.size)
  for (let offset = from; offset < end; offset += step) {
    const window = { offset, length: Math.min(step, end - offset) }
    const given = { open: open.open, from: since, ...window, wholeObject }
    yield* leavesIn(await ask(asking, 'diff', given, { timeoutMs: stallMs }), window)
  }
}

/** Exported for its test. @param extents as `diff` answers */
export function leavesIn(extents: readonly number[], window: { offset: number; length: number }): TouchedLeaf[] {
  const leaves: TouchedLeaf[] = []
  let reached = window.offset
  for (const { offset, length, zero } of sorted(extents)) {
    const end = offset + length
    if (offset < reached || end > window.offset + window.length) throw wrongExtent(offset, length)
    reached = end
    for (let at = offset; at < end;) {
      const index = Math.floor(at / leafBytes)
      const next = Math.min(end, (index + 1) * leafBytes)
      addPiece(leaves, index, { offset: at, length: next - at, zero })
      at = next
    }
  }
  return leaves
}

/** Ceph has given them in disorder before (ceph#45601). */
function sorted(extents: readonly number[]): Piece[] {
  const pieces: Piece[] = []
  for (let at = 0; at < extents.length; at += 3) {
    const [offset, length, exists] = [extents[at] ?? NaN, extents[at + 1] ?? NaN, extents[at + 2]]
    if (length > 0) pieces.push({ offset, length, zero: exists === 0 })
  }
  return pieces.sort((a, b) => a.offset - b.offset)
}

function addPiece(leaves: TouchedLeaf[], index: number, piece: Piece): void {
  const leaf = leaves.at(-1)
  if (leaf?.index !== index) {
    leaves.push({ index, pieces: [piece] })
    return
  }
  const last = leaf.pieces.at(-1)
  // RBD writes each by itself, and small ones are slow
  if (last !== undefined && last.zero === piece.zero && last.offset + last.length === piece.offset)
    last.length += piece.length
  else leaf.pieces.push(piece)
}

function wrongExtent(offset: number, length: number): CodedError {
  return new CodedError(
    'CK-SOURCE-STREAM',
    `a difference names ${String(length)} bytes at ${String(offset)}, which cannot be`,
    {
      cure: 'Nothing of it is used. Install the version of librbd1 that fits the cluster; if it does, please report this.',
    },
  )
}
