import { setImmediate as nextTurn } from 'node:timers/promises'
import { CodedError } from '../errors/coded-error.js'
import { createHashFold, leafBytes, leafHashBytes, rootHash, zeroLeafHash } from './hash-fold.js'

/** Some ten milliseconds of hashing. */
const turnBytes = 8192 * leafHashBytes

/** How many leaves a volume of this size has; the last one may be short. */
export function leafCount(sizeBytes: number): number {
  return Math.ceil(sizeBytes / leafBytes)
}

/**
 * The root of a volume whose leaves are known, with the memory of one piece.
 * @param pieces the hashes of all leaves in their order, 32 bytes each, cut into pieces of whole hashes
 * @throws CodedError `CK-SOURCE-ORDER` when there are not as many leaves as the size has
 */
export async function rootOfLeaves(
  sizeBytes: number,
  pieces: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
): Promise<string> {
  const fold = createHashFold()
  const zeroLeaf = zeroLeafHash(leafBytes)
  const wanted = leafCount(sizeBytes)
  let count = 0
  let zeroLeaves = 0
  for await (const piece of pieces) {
    if (piece.length % leafHashBytes !== 0) throw otherCount(`a piece of ${piece.length} bytes cuts a hash`)
    count += piece.length / leafHashBytes
    if (count > wanted) break
    for (let at = 0; at < piece.length; at += leafHashBytes) {
      if (zeroLeaf.compare(piece, at, at + leafHashBytes) === 0) zeroLeaves += 1
      else {
        fold.addZeroLeaves(zeroLeaves)
        zeroLeaves = 0
        fold.add(Buffer.from(piece.subarray(at, at + leafHashBytes)))
      }
      // heartbeats go on
      if (at % turnBytes === 0) await nextTurn()
    }
  }
  if (count !== wanted) throw otherCount(`${count} leaves or more were given of ${wanted}`)
  fold.addZeroLeaves(zeroLeaves)
  return rootHash(sizeBytes, fold.top())
}

function otherCount(what: string): CodedError {
  return new CodedError('CK-SOURCE-ORDER', `a hash tree is not that of a volume of its size: ${what}`, {
    cure: 'Nothing of it is used. Read the volume again; if this repeats, please report it.',
  })
}
