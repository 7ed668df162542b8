import { hashBytes } from '../../source/hash-bytes.js'
import type { DataRun, HashedBytes, OpenBytes } from '../../source/source.js'
import type { CopyContext } from '../target.js'

/** Hashes what was opened and tells how far it is. */
export async function hashWithProgress(bytes: OpenBytes, phase: string, context: CopyContext): Promise<HashedBytes> {
  context.report({ phase, doneBytes: 0, totalBytes: bytes.sizeBytes })
  return hashBytes(bytes, {
    signal: context.signal,
    onProgress: (doneBytes) => {
      context.report({ phase, doneBytes, totalBytes: bytes.sizeBytes })
    },
  })
}

/**
 * The first bytes alone: a volume that grew between its snapshot and the backup is restored into one of the new size,
 * which has zeros or nothing of ours behind the copy's end.
 */
export function firstBytes(bytes: OpenBytes, sizeBytes: number): OpenBytes {
  if (bytes.sizeBytes <= sizeBytes) return bytes
  return {
    sizeBytes,
    identity: bytes.identity,
    confirm: async () => bytes.confirm(),
    async *read(signal, options) {
      for await (const run of bytes.read(signal, options)) {
        if (run.offset >= sizeBytes) return
        yield cut(run, sizeBytes)
      }
    },
    async extents(signal) {
      return (await bytes.extents(signal))
        .filter(({ offset }) => offset < sizeBytes)
        .map(({ offset, length }) => ({ offset, length: Math.min(length, sizeBytes - offset) }))
    },
  }
}

function cut(run: DataRun, sizeBytes: number): DataRun {
  const room = sizeBytes - run.offset
  return run.data.length <= room ? run : { offset: run.offset, data: run.data.subarray(0, room) }
}
