import { createHash } from 'node:crypto'
import { leafBytes } from '../../source/hash-fold.js'

/** The tree as the documentation words it, level by level, with everything in memory. */
export function naiveRoot(volume: Buffer): string {
  let level: Buffer[] = []
  for (let at = 0; at < volume.length; at += leafBytes) {
    level.push(sha256(Buffer.from([0]), volume.subarray(at, at + leafBytes)))
  }
  while (level.length > 1) {
    const above: Buffer[] = []
    for (let at = 0; at < level.length; at += 2) {
      const [left, right] = level.slice(at, at + 2)
      if (left === undefined) throw new Error('unreachable')
      above.push(right === undefined ? left : sha256(Buffer.from([1]), left, right))
    }
    level = above
  }
  const size = Buffer.alloc(8)
  size.writeBigUInt64LE(BigInt(volume.length))
  return `sha256-4m:${sha256(Buffer.from([2]), size, ...level).toString('hex')}`
}

export function sha256(...parts: Buffer[]): Buffer {
  return createHash('sha256').update(Buffer.concat(parts)).digest()
}

/** The same bytes for the same seed, without a generator of ours: SHAKE's output. */
export function someBytes(seed: string, length: number): Buffer {
  return createHash('shake256', { outputLength: Math.max(length, 1) })
    .update(seed)
    .digest()
    .subarray(0, length)
}
