/** Volumes that are regular files or block devices in one directory. */
import type { FileHandle } from 'node:fs/promises'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { CodedError } from '../errors/coded-error.js'
import { fileFailure, fileLost, fileMissing, isMissing } from './file-errors.js'
import { type FoundFile, identifyFile } from './identify-file.js'
import { snapshotObject, volumeObject } from './object-names.js'
import type { FileSourceOptions } from './options.js'
import type { BytesRef, DataRun, Extent, OpenBytes, Source } from './source.js'

/** Read at once, and the grain of what counts as zero: a hole costs its reading, but neither hashing nor moving. */
const pieceBytes = 1024 * 1024
const zeros = Buffer.alloc(pieceBytes)

export function fileSource({ dir, zone }: FileSourceOptions): Source {
  return {
    zone,
    kind: 'file',
    open: async (ref) => openFile(dir, ref),
    watchers: async () => 'unknown',
  }
}

async function openFile(dir: string, ref: BytesRef): Promise<OpenBytes> {
  if (ref.rbdSnapshot !== undefined) throw noRbdSnapshots(ref.rbdSnapshot.name)
  const snapshot = snapshotObject(ref)
  const volumePath = join(dir, volumeObject(ref))
  const path = snapshot === null ? volumePath : join(dir, snapshot)
  const found = await identifyFile(path)
  if (found === undefined) {
    // without the volume beside it, it is the directory that is wrong or not mounted, not the snapshot that is gone
    if (snapshot === null || (await identifyFile(volumePath)) === undefined) throw fileMissing(volumePath)
    throw fileLost(path, 'does not exist')
  }
  return openFound(path, found)
}

function openFound(path: string, found: FoundFile): OpenBytes {
  async function confirm(): Promise<void> {
    const now = await identifyFile(path)
    if (now?.identity !== found.identity) throw fileLost(path, 'was deleted, replaced or written while it was read')
  }

  async function* read(signal?: AbortSignal): AsyncGenerator<DataRun, void, undefined> {
    signal?.throwIfAborted()
    const handle = await openForReading(path)
    try {
      // the name may lead elsewhere by now
      await confirm()
      for (let offset = 0; offset < found.sizeBytes; offset += pieceBytes) {
        signal?.throwIfAborted()
        const length = Math.min(pieceBytes, found.sizeBytes - offset)
        const data = await readFully(handle, path, offset, length)
        if (data.compare(zeros, 0, length) !== 0) yield { offset, data }
      }
    } finally {
      await handle.close()
    }
  }

  return {
    sizeBytes: found.sizeBytes,
    identity: found.identity,
    confirm,
    read,
    // Node cannot ask a file system for its holes, and a block device has none: they are found by reading
    extents: async (signal) => {
      const extents: Extent[] = []
      for await (const { offset, data } of read(signal)) {
        const last = extents.at(-1)
        if (last !== undefined && last.offset + last.length === offset) last.length += data.length
        else extents.push({ offset, length: data.length })
      }
      return extents
    },
  }
}

async function readFully(handle: FileHandle, path: string, offset: number, length: number): Promise<Buffer> {
  const data = Buffer.allocUnsafe(length)
  for (let done = 0; done < length;) {
    const { bytesRead } = await handle.read(data, done, length - done, offset + done).catch((error: unknown) => {
      throw fileFailure(path, error)
    })
    if (bytesRead === 0) throw fileLost(path, `ends at byte ${offset + done}: it was cut while it was read`)
    done += bytesRead
  }
  return data
}

async function openForReading(path: string): Promise<FileHandle> {
  try {
    return await open(path, 'r')
  } catch (error) {
    if (isMissing(error)) throw fileLost(path, 'was deleted before it was read')
    throw fileFailure(path, error)
  }
}

function noRbdSnapshots(name: string): CodedError {
  return new CodedError('CK-SOURCE-FILE', `the RBD snapshot ${name} was asked of a source of files`, {
    cure: 'sources[].match leads to another storage than when the snapshot was made: mend it, nothing was read.',
  })
}
