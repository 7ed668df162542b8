import { leafBytes, leafHash, leafHashBytes, zeroLeafHash } from '../../source/hash-fold.js'
import type { DataRun, Extent, ZeroRun } from '../../source/source.js'

export type Run = DataRun | ZeroRun

/** A leaf that something is known of, as the runs within it. */
export interface Leaf {
  index: number
  runs: Run[]
}

export function lengthOf(run: Run): number {
  return 'zero' in run ? run.length : run.data.length
}

/** Where a leaf lies; the last one may be short. */
export function extentOf(index: number, sizeBytes: number): Extent {
  const offset = index * leafBytes
  return { offset, length: Math.max(0, Math.min(leafBytes, sizeBytes - offset)) }
}

/** Gathers ascending runs, cut at the borders of leaves. Holds the runs of one leaf. */
export async function* leavesOf(runs: AsyncIterable<Run>): AsyncGenerator<Leaf, void, undefined> {
  let leaf: Leaf | null = null
  for await (const run of runs) {
    for (const piece of cutAtLeaves(run)) {
      const index = Math.floor(piece.offset / leafBytes)
      if (leaf !== null && leaf.index !== index) {
        yield leaf
        leaf = null
      }
      leaf ??= { index, runs: [] }
      leaf.runs.push(piece)
    }
  }
  if (leaf !== null) yield leaf
}

function* cutAtLeaves(run: Run): Generator<Run, void, undefined> {
  const length = lengthOf(run)
  for (let done = 0; done < length;) {
    const offset = run.offset + done
    const next = Math.min(length - done, leafBytes - (offset % leafBytes))
    if (next === length) yield run
    else if ('zero' in run) yield { offset, length: next, zero: true }
    else yield { offset, data: run.data.subarray(done, done + next) }
    done += next
  }
}

/** Data that lies together, in the pieces that it came in. */
export interface Stretch {
  offset: number
  parts: Uint8Array[]
}

/** Neighbours joined: RBD writes every record by itself, and small ones are slow. */
export function joined(runs: readonly Run[]): (Stretch | ZeroRun)[] {
  const out: (Stretch | ZeroRun)[] = []
  let end = -1
  for (const run of runs) {
    const last = out.at(-1)
    const follows = last !== undefined && run.offset === end
    if (follows && 'zero' in run && 'zero' in last) last.length += run.length
    else if (follows && 'data' in run && 'parts' in last) last.parts.push(run.data)
    else out.push('zero' in run ? { ...run } : { offset: run.offset, parts: [run.data] })
    end = run.offset + lengthOf(run)
  }
  return out
}

const zeros = Buffer.alloc(64 * 1024)

/** The hash of the leaf; what no run covers is zero. */
export function hashOfLeaf({ index, runs }: Leaf, sizeBytes: number): Buffer {
  const { offset, length } = extentOf(index, sizeBytes)
  if (runs.every((run) => 'zero' in run)) return zeroLeafHash(length)
  const hash = leafHash()
  let at = offset
  const addZeros = (until: number): void => {
    while (at < until) {
      const piece = Math.min(zeros.length, until - at)
      hash.update(zeros.subarray(0, piece))
      at += piece
    }
  }
  for (const run of runs) {
    if ('zero' in run) continue
    addZeros(run.offset)
    hash.update(run.data)
    at += run.data.length
  }
  addZeros(offset + length)
  return hash.digest()
}

/** The hashes of leaves `first` to `first + count` as if all were zero. */
export function zeroPiece(first: number, count: number, sizeBytes: number): Buffer {
  const piece = Buffer.alloc(count * leafHashBytes, zeroLeafHash(leafBytes))
  const last = extentOf(first + count - 1, sizeBytes)
  if (count > 0 && last.length < leafBytes) setHash(piece, count - 1, zeroLeafHash(last.length))
  return piece
}

export function hashAt(piece: Buffer, position: number): Buffer {
  return piece.subarray(position * leafHashBytes, (position + 1) * leafHashBytes)
}

/** As `hashAt(…).equals(hash)`, without an object for each of millions of leaves. */
export function isHashAt(piece: Buffer, position: number, hash: Buffer): boolean {
  return hash.compare(piece, position * leafHashBytes, (position + 1) * leafHashBytes) === 0
}

export function isSameAt(one: Buffer, other: Buffer, position: number): boolean {
  const [from, to] = [position * leafHashBytes, (position + 1) * leafHashBytes]
  return one.compare(other, from, to, from, to) === 0
}

export function setHash(piece: Buffer, position: number, hash: Buffer): void {
  hash.copy(piece, position * leafHashBytes)
}
