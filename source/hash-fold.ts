/** How leaves become a root; hash-tree.ts says what the tree is. */
import { createHash, hash, type Hash } from 'node:crypto'

export const leafBytes = 4 * 1024 * 1024

/** Bytes of a leaf's hash. */
export const leafHashBytes = 32

export interface HashFold {
  /** The hash of the next leaf. */
  add(hash: Buffer): void
  /** So many whole leaves of zeros; costs as many hashes as the tree is high. */
  addZeroLeaves(count: number): void
  /** undefined for a tree without leaves. */
  top(): Buffer | undefined
}

/**
 * Folds leaves into nodes as they come. The stack holds one whole subtree for each bit of the number of leaves so far,
 * the largest first; promoting odd nodes is the same as joining what is left from the right.
 */
export function createHashFold(): HashFold {
  const stack: { hash: Buffer; leaves: number }[] = []
  let count = 0

  function push(first: Buffer, leaves: number): void {
    count += leaves
    let subtree = { hash: first, leaves }
    for (let left = stack.at(-1); left?.leaves === subtree.leaves; left = stack.at(-1)) {
      stack.pop()
      subtree = { hash: node(left.hash, subtree.hash), leaves: 2 * subtree.leaves }
    }
    stack.push(subtree)
  }

  return {
    add: (leaf) => {
      push(leaf, 1)
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

/** For the bytes of one leaf. */
export function leafHash(): Hash {
  return createHash('sha256').update(Uint8Array.of(0))
}

/** The hash of one leaf. */
export function hashLeaf(bytes: Uint8Array): Buffer {
  return sha256(0, bytes)
}

/** The hash of a leaf of so many zero bytes: those of a whole leaf are computed once. */
export function zeroLeafHash(length: number): Buffer {
  return length === leafBytes ? zeroSubtree(0) : hashLeaf(Buffer.alloc(length))
}

/** @param top of the fold of all leaves; undefined for a volume of no bytes */
export function rootHash(sizeBytes: number, top: Buffer | undefined): string {
  const size = Buffer.alloc(8)
  size.writeBigUInt64LE(BigInt(sizeBytes))
  return `sha256-4m:${sha256(2, size, top ?? Buffer.alloc(0)).toString('hex')}`
}

/** One for all nodes: it is hashed before anyone else comes to it. */
const joined = Buffer.alloc(1 + 2 * leafHashBytes, 1)

function node(left: Buffer, right: Buffer): Buffer {
  left.copy(joined, 1)
  right.copy(joined, 1 + leafHashBytes)
  // of a large volume there are millions: this is twice as fast as an object for each
  return hash('sha256', joined, 'buffer')
}

function sha256(prefix: number, ...parts: Uint8Array[]): Buffer {
  const hash = createHash('sha256').update(Uint8Array.of(prefix))
  for (const part of parts) hash.update(part)
  return hash.digest()
}
