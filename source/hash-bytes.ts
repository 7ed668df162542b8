import { setImmediate as nextTurn } from 'node:timers/promises'
import { createHashTree } from './hash-tree.js'
import type { HashedBytes, OpenBytes } from './source.js'

export interface HashBytesOptions {
  /** Aborts between two runs; the source ends its programs before this throws. */
  signal?: AbortSignal | undefined
  /** @param doneBytes how far into `sizeBytes` it has come, zeros included; called at most once in 8 MiB read */
  onProgress?: ((doneBytes: number) => void) | undefined
}

/** As much of `OpenBytes` as hashing needs. */
export type HashableBytes = Pick<OpenBytes, 'sizeBytes' | 'read' | 'confirm'>

/** After so many bytes the event loop gets its turn, however fast the source is: heartbeats must go on. */
const turnBytes = 8 * 1024 * 1024

/**
 * Reads a volume or snapshot once and returns its root hash, after `confirm` has said that what was read is one point
 * in time.
 * @throws CodedError `CK-CAPTURE-LOST` when the snapshot is gone, else whatever the source throws, or the signal's reason
 */
export async function hashBytes(
  bytes: HashableBytes,
  { signal, onProgress }: HashBytesOptions = {},
): Promise<HashedBytes> {
  const tree = createHashTree(bytes.sizeBytes)
  let readBytes = 0
  let sinceTurn = 0
  for await (const run of bytes.read(signal)) {
    signal?.throwIfAborted()
    tree.add(run)
    readBytes += run.data.length
    sinceTurn += run.data.length
    if (sinceTurn >= turnBytes) {
      sinceTurn = 0
      onProgress?.(run.offset + run.data.length)
      await nextTurn()
    }
  }
  signal?.throwIfAborted()
  const rootHash = tree.finish()
  await bytes.confirm()
  onProgress?.(bytes.sizeBytes)
  return { rootHash, sizeBytes: bytes.sizeBytes, readBytes }
}
