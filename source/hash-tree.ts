/**
 * The hash of a whole volume, `sha256-4m:<hex>`: aligned leaves of 4 MiB, the last one short;
 *
 *     leaf = SHA-256(00 ‖ bytes)      node = SHA-256(01 ‖ left ‖ right), an odd node is promoted as it is
 *     root = SHA-256(02 ‖ size, 64 bits little-endian ‖ top)
 *
 * The prefixes keep a leaf from passing as a node, the size keeps a volume from passing as one with fewer zeros at its
 * end. A volume of no bytes has no leaf and no top: its root is SHA-256(02 ‖ eight zero bytes).
 */
import { CodedError } from '../errors/coded-error.js'
import { createHashFold, leafBytes, leafHash, rootHash, zeroLeafHash } from './hash-fold.js'
import type { DataRun } from './source.js'

const zeros = Buffer.alloc(64 * 1024)

export interface HashTree {
  /** Adds the next run; what lies between it and the one before is zero. */
  add(run: DataRun): void
  /** The root; everything after the last run is zero. To be called once. */
  finish(): string
}

export interface HashTreeOptions {
  /**
   * Is told of every leaf in its order, as soon as it is complete. `isZero` is whether it is known without reading
   * that it holds zeros alone: a leaf of zeros that were added as bytes may say false, its hash is the same.
   * A gap calls this once for each of its leaves.
   */
  onLeaf?: ((index: number, hash: Buffer, isZero: boolean) => void) | undefined
}

/**
 * Computes the tree while bytes pass by. Memory: one hash for each level of the tree; a gap costs as many hashes as the
 * tree is high, however long it is.
 * @throws CodedError `CK-SOURCE-ORDER` from `add` for a run that does not follow the one before, or leaves the volume
 */
export function createHashTree(sizeBytes: number, { onLeaf }: HashTreeOptions = {}): HashTree {
  const fold = createHashFold()
  let leaf = leafHash()
  let holdsData = false
  let position = 0
  let index = 0

  function toLeafEnd(): number {
    return Math.min(leafBytes - (position % leafBytes), sizeBytes - position)
  }

  function advance(length: number): void {
    position += length
    if (position % leafBytes !== 0 && position !== sizeBytes) return
    const hash = leaf.digest()
    fold.add(hash)
    onLeaf?.(index, hash, !holdsData)
    index += 1
    holdsData = false
    leaf = leafHash()
  }

  function addBytes(data: Uint8Array): void {
    for (let done = 0; done < data.length;) {
      const length = Math.min(toLeafEnd(), data.length - done)
      holdsData = true
      leaf.update(data.subarray(done, done + length))
      advance(length)
      done += length
    }
  }

  function addZeroLeaves(count: number): void {
    fold.addZeroLeaves(count)
    position += count * leafBytes
    for (const end = index + count; index < end; index += 1) onLeaf?.(index, zeroLeafHash(leafBytes), true)
  }

  function addZeros(until: number): void {
    while (position < until) {
      const wholeLeaves = position % leafBytes === 0 ? Math.floor((until - position) / leafBytes) : 0
      if (wholeLeaves > 0) addZeroLeaves(wholeLeaves)
      else {
        const length = Math.min(toLeafEnd(), until - position, zeros.length)
        leaf.update(zeros.subarray(0, length))
        advance(length)
      }
    }
  }

  return {
    add: ({ offset, data }) => {
      if (offset < position) throw outOfOrder(`a run at ${offset} came after byte ${position}`)
      if (offset + data.length > sizeBytes) {
        throw outOfOrder(`a run up to ${offset + data.length} came from ${sizeBytes} bytes`)
      }
      addZeros(offset)
      addBytes(data)
    },
    finish: () => {
      addZeros(sizeBytes)
      return rootHash(sizeBytes, fold.top())
    },
  }
}

function outOfOrder(what: string): CodedError {
  return new CodedError('CK-SOURCE-ORDER', `a volume was not read from its beginning to its end: ${what}`, {
    cure: 'Nothing of it is used. This is a fault of Cinderkeep or of the storage: please report it with `rbd info` of the image.',
  })
}
