/**
 * The hash of a whole volume, `sha256-4m:<hex>`: aligned leaves of 4 MiB, the last one short;
 *
 *     leaf = SHA-256(00 ‖ bytes)      node = SHA-256(01 ‖ left ‖ right), an odd node is promoted as it is
 *     root = SHA-256(02 ‖ size, 64 bits little-endian ‖ top)
 *
 * The prefixes keep a leaf from passing as a node, the size keeps a volume from passing as one with fewer zeros at its
 * end. A volume of no bytes has no leaf and no top: its root is SHA-256(02 ‖ eight zero bytes).
 */
import { createHash } from 'node:crypto'
import { CodedError } from '../errors/coded-error.js'
import type { DataRun } from './source.js'

export const leafBytes = 4 * 1024 * 1024

const zeros = Buffer.alloc(64 * 1024)

export interface HashTree {
  /** Adds the next run; what lies between it and the one before is zero. */
  add(run: DataRun): void
  /** The root; everything after the last run is zero. To be called once. */
  finish(): string
}

/**
 * Computes the tree while bytes pass by. Memory: one hash for each level of the tree; a gap costs as many hashes as the
 * tree is high, however long it is.
 * @throws CodedError `CK-SOURCE-ORDER` from `add` for a run that does not follow the one before, or leaves the volume
 */
export function createHashTree(sizeBytes: number): HashTree {
  const fold = createFold()
  let leaf = leafHash()
  let position = 0

  function toLeafEnd(): number {
    return Math.min(leafBytes - (position % leafBytes), sizeBytes - position)
  }

  function advance(length: number): void {
    position += length
    if (position % leafBytes !== 0 && position !== sizeBytes) return
    fold.add(leaf.digest())
    leaf = leafHash()
  }

  function addBytes(data: Uint8Array): void {
    for (let done = 0; done < data.length;) {
      const length = Math.min(toLeafEnd(), data.length - done)
      leaf.update(data.subarray(done, done + length))
      advance(length)
      done += length
    }
  }

  function addZeros(until: number): void {
    while (position < until) {
      const wholeLeaves = position % leafBytes === 0 ? Math.floor((until - position) / leafBytes) : 0
      if (wholeLeaves > 0) {
        fold.addZeroLeaves(wholeLeaves)
        position += wholeLeaves * leafBytes
      } else {
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
      const size = Buffer.alloc(8)
      size.writeBigUInt64LE(BigInt(sizeBytes))
      const top = fold.top() ?? Buffer.alloc(0)
      return `sha256-4m:${sha256(2, size, top).toString('hex')}`
    },
  }
}

/**
 * Folds leaves into nodes as they come. The stack holds one whole subtree for each bit of the number of leaves so far,
 * the largest first; promoting odd nodes is the same as joining what is left from the right.
 */
function createFold(): { add(hash: Buffer): void; addZeroLeaves(count: number): void; top(): Buffer | undefined } {
  const stack: { hash: Buffer; leaves: number }[] = []
  let count = 0

  function push(hash: Buffer, leaves: number): void {
    count += leaves
    let subtree = { hash, leaves }
    for (let left = stack.at(-1); left?.leaves === subtree.leaves; left = stack.at(-1)) {
      stack.pop()
      subtree = { hash: node(left.hash, subtree.hash), leaves: 2 * subtree.leaves }
    }
    stack.push(subtree)
  }

  return {
    add: (hash) => {
      push(hash, 1)
    },
    addZeroLeaves: (zeroCount) => {
      for (let left = zeroCount; left > 0;) {
        // the largest whole subtree of zeros that may begin here
        let level = 0
        while (count % 2 ** (level + 1) === 0 && 2 ** (level + 1) <= left) level += 1
        push(zeroSubtree(level), 2 ** level)
        left -= 2 ** level
      }
    },
    top: () =>
      stack.reduceRight<Buffer | undefined>(
        (right, { hash }) => (right === undefined ? hash : node(hash, right)),
        undefined,
      ),
  }
}

/** Hashes of subtrees that hold zeros alone, by level; filled as they are needed. */
const zeroSubtrees: Buffer[] = []

function zeroSubtree(level: number): Buffer {
  for (let next = zeroSubtrees.length; next <= level; next += 1) {
    const below = zeroSubtrees[next - 1]
    zeroSubtrees.push(below === undefined ? sha256(0, Buffer.alloc(leafBytes)) : node(below, below))
  }
  const hash = zeroSubtrees[level]
  if (hash === undefined) throw new RangeError(`no level ${level} in a hash tree`)
  return hash
}

function leafHash() {
  return createHash('sha256').update(Uint8Array.of(0))
}

function node(left: Buffer, right: Buffer): Buffer {
  return sha256(1, left, right)
}

function sha256(prefix: number, ...parts: Uint8Array[]): Buffer {
  const hash = createHash('sha256').update(Uint8Array.of(prefix))
  for (const part of parts) hash.update(part)
  return hash.digest()
}

function outOfOrder(what: string): CodedError {
  return new CodedError('CK-SOURCE-ORDER', `a volume was not read from its beginning to its end: ${what}`, {
    cure: 'Nothing of it is used. This is a fault of Cinderkeep or of the storage: please report it with `rbd info` of the image.',
  })
}
