import { open } from 'node:fs/promises'
import { once } from 'node:events'
import type { Writable } from 'node:stream'
import { CodedError } from '../../errors/coded-error.js'
import { rbdImageInfo } from '../../source/rbd-queries.js'
import type { Extent } from '../../source/source.js'
import type { Destination } from '../target.js'
import type { Asking } from './asking.js'
import type { FeedOptions } from './feed-command.js'
import { createImage } from './head.js'
import { startImportDiff } from './import-diff.js'
import { joined, lengthOf, type Leaf } from './leaves.js'

/** Takes leaves in their order, all of them. */
export interface Sink {
  leaf(leaf: Leaf, extent: Extent): Promise<void>
  finish(): Promise<void>
  /** After `finish` or without it; never throws. */
  close(): Promise<void>
}

/** @throws CodedError `CK-RESTORE-DESTINATION` for a kind that this target cannot write to */
export async function openSink(
  destination: Destination,
  sizeBytes: number,
  options: FeedOptions & Pick<Asking, 'hands'>,
): Promise<Sink> {
  switch (destination.kind) {
    case 'image':
      return imageSink(destination, sizeBytes, options)
    case 'file':
      return fileSink(destination.path, sizeBytes)
    case 'stream':
      return streamSink(destination.stream, options.signal)
    case 'volume':
      throw new CodedError(
        'CK-RESTORE-DESTINATION',
        `a copy on Ceph is not restored into the volume ${destination.volumeId}`,
        {
          cure: "Restore it into the volume's RBD image, a file or a stream.",
        },
      )
  }
}

async function imageSink(
  { conf, user, keyring, pool, image }: Destination & { kind: 'image' },
  sizeBytes: number,
  options: FeedOptions & Pick<Asking, 'hands'>,
): Promise<Sink> {
  const access = {
    conf,
    user,
    ...(keyring !== undefined && { keyring }),
    pool,
    parents: [],
    setting: 'the destination',
  }
  await createImage({ hands: options.hands, access, timeoutMs: options.stallMs }, image, sizeBytes)
  const before = (await rbdImageInfo(access, image)).size
  // a volume keeps the size that Cinder knows of
  const size = Math.max(before, sizeBytes)
  const diff = await startImportDiff(access, image, { from: null, to: null, size }, options)
  return {
    leaf: async ({ runs }, { offset, length }) => {
      let at = offset
      for (const one of joined(runs)) {
        // what was there before is replaced, with zeros as well
        if (one.offset > at) await diff.zero({ offset: at, length: one.offset - at })
        if ('zero' in one) await diff.zero(one)
        else await diff.data(one)
        at = one.offset + ('zero' in one ? one.length : one.parts.reduce((sum, part) => sum + part.length, 0))
      }
      if (at < offset + length) await diff.zero({ offset: at, length: offset + length - at })
    },
    finish: async () => {
      if (size > sizeBytes) await diff.zero({ offset: sizeBytes, length: size - sizeBytes })
      await diff.finish()
    },
    close: async () => diff.kill(),
  }
}

async function fileSink(path: string, sizeBytes: number): Promise<Sink> {
  const file = await open(path, 'w')
  return {
    leaf: async ({ runs }) => {
      for (const run of runs) {
        if ('zero' in run) continue
        for (let done = 0; done < run.data.length;) {
          done += (await file.write(run.data, done, run.data.length - done, run.offset + done)).bytesWritten
        }
      }
    },
    finish: async () => {
      await file.truncate(sizeBytes)
      await file.sync()
    },
    close: async () => {
      await file.close().catch(() => undefined)
    },
  }
}

const zeros = Buffer.alloc(256 * 1024)

function streamSink(stream: Writable, signal: AbortSignal | undefined): Sink {
  let failure: unknown
  let isWhole = false
  stream.on('error', (error) => (failure ??= error))

  async function write(bytes: Uint8Array): Promise<void> {
    signal?.throwIfAborted()
    if (failure !== undefined) throw failure as Error
    if (!stream.write(bytes)) await once(stream, 'drain', { signal })
  }

  async function writeZeros(length: number): Promise<void> {
    for (let left = length; left > 0; left -= zeros.length) await write(zeros.subarray(0, Math.min(left, zeros.length)))
  }

  return {
    leaf: async ({ runs }, { offset, length }) => {
      let at = offset
      for (const run of runs) {
        await writeZeros(run.offset - at)
        if ('zero' in run) await writeZeros(run.length)
        else await write(run.data)
        at = run.offset + lengthOf(run)
      }
      await writeZeros(offset + length - at)
    },
    finish: async () => {
      stream.end()
      if (!stream.writableFinished) await once(stream, 'finish', { signal })
      isWhole = true
    },
    // whoever reads it must not take a part for the whole
    close: async () => {
      if (!isWhole) stream.destroy()
    },
  }
}
