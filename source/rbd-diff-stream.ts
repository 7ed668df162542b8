/**
 * The stream that `rbd export-diff` writes, version 1 (Ceph's doc/dev/rbd-diff.rst): a banner, then records of a tag
 * and fields, all numbers little-endian. `rbd import-diff` skips what it does not know and still succeeds, so nothing
 * but this parser tells a good stream from one that was cut or damaged.
 */
import { CodedError } from '../errors/coded-error.js'
import { byteReader } from './byte-reader.js'

export type DiffRecord =
  /** The snapshot that the difference starts from; absent in a full stream. */
  | { tag: 'from'; name: string }
  /** The snapshot that was read; absent when the image itself was. */
  | { tag: 'to'; name: string }
  | { tag: 'size'; size: number }
  /** Bytes of the image; a record of the stream comes as several of these, none longer than 4 MiB. */
  | { tag: 'data'; offset: number; data: Uint8Array }
  /** Bytes that became zero. */
  | { tag: 'zero'; offset: number; length: number }

const banner = 'rbd diff v1\n'
/** Ceph allows far shorter names; a longer one is a damaged length. */
const maxNameLength = 4096
const maxDataLength = 4 * 1024 * 1024

/** Where a tag may stand: `f`, `t`, `s` once each and in this order, then `w` and `z`, then `e`. */
const ranks: Partial<Record<string, number>> = { f: 1, t: 2, s: 3, w: 4, z: 4, e: 5 }

/**
 * Parses a stream as it comes, holding no more than the chunk that came last. Ends only after the end record and the
 * stream's own end: whoever has read to the end has read a whole and well-formed stream.
 * @throws CodedError `CK-SOURCE-STREAM` on anything malformed, cut, unknown, out of order or beyond the image's size
 */
export async function* parseRbdDiff(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<DiffRecord, void, undefined> {
  const reader = byteReader(chunks)
  let rank = 0
  let size = 0
  let reached = 0

  async function extent(): Promise<{ offset: number; length: number }> {
    const fields = view(await reader.take(16))
    const offset = safe(fields.getBigUint64(0, true))
    const length = safe(fields.getBigUint64(8, true))
    if (offset < reached) throw malformed(`an extent at ${offset} after one that ended at ${reached}`)
    if (offset + length > size) throw malformed(`an extent up to ${offset + length} in an image of ${size} bytes`)
    reached = offset + length
    return { offset, length }
  }

  async function name(): Promise<string> {
    const length = view(await reader.take(4)).getUint32(0, true)
    if (length > maxNameLength) throw malformed(`a snapshot name of ${length} bytes`)
    return Buffer.from(await reader.take(length)).toString('utf8')
  }

  function malformed(what: string): CodedError {
    return streamError(`holds ${what}, before byte ${reader.position()}`)
  }

  function safe(value: bigint): number {
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw malformed(`the number ${value.toString()}`)
    return Number(value)
  }

  try {
    if (Buffer.from(await reader.take(banner.length)).toString('latin1') !== banner) {
      throw malformed('another banner than "rbd diff v1"')
    }
    for (;;) {
      const tag = String.fromCharCode(view(await reader.take(1)).getUint8(0))
      const tagRank = ranks[tag]
      if (tagRank === undefined) throw malformed(`a record of unknown kind ${JSON.stringify(tag)}`)
      if (tagRank < rank || (tagRank === rank && tagRank <= 3)) throw malformed(`a record "${tag}" out of order`)
      if (tagRank > 3 && rank < 3) throw malformed(`a record "${tag}" before the size`)
      rank = tagRank
      if (tag === 'e') break
      if (tag === 'f') yield { tag: 'from', name: await name() }
      else if (tag === 't') yield { tag: 'to', name: await name() }
      else if (tag === 's') {
        size = safe(view(await reader.take(8)).getBigUint64(0, true))
        yield { tag: 'size', size }
      } else if (tag === 'z') yield { tag: 'zero', ...(await extent()) }
      else {
        const { offset, length } = await extent()
        for (let done = 0; done < length;) {
          const data = await reader.some(Math.min(length - done, maxDataLength))
          yield { tag: 'data', offset: offset + done, data }
          done += data.length
        }
      }
    }
    if (!(await reader.atEnd())) throw malformed('bytes after its end record')
  } finally {
    await reader.close()
  }
}

function view(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

function streamError(what: string): CodedError {
  return new CodedError('CK-SOURCE-STREAM', `the stream of rbd export-diff ${what}`, {
    cure: 'Nothing of it is used. It is read again; if this repeats, compare the versions of ceph-common and the cluster.',
  })
}
