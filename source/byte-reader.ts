import { CodedError } from '../errors/coded-error.js'

/** Takes bytes off a stream of chunks whose borders mean nothing. */
export interface ByteReader {
  /** Exactly so many bytes. For small numbers: they may be copied. */
  take(length: number): Promise<Uint8Array>
  /** At least one byte and at most so many, as they lie in the chunk: nothing is copied. */
  some(maxLength: number): Promise<Uint8Array>
  atEnd(): Promise<boolean>
  /** Bytes taken so far. */
  position(): number
  /** Ends the stream where it came from. */
  close(): Promise<void>
}

/** @throws CodedError `CK-SOURCE-STREAM` from `take` and `some` when the stream ends before they have what they need */
export function byteReader(chunks: AsyncIterable<Uint8Array>): ByteReader {
  const iterator = chunks[Symbol.asyncIterator]()
  let rest: Uint8Array = new Uint8Array(0)
  let position = 0

  /** Makes `rest` hold something; false at the end of the stream. */
  async function fill(): Promise<boolean> {
    while (rest.length === 0) {
      const next = await iterator.next()
      if (next.done === true) return false
      rest = next.value
    }
    return true
  }

  function cut(length: number): Uint8Array {
    const bytes = rest.subarray(0, length)
    rest = rest.subarray(length)
    position += bytes.length
    return bytes
  }

  async function some(maxLength: number): Promise<Uint8Array> {
    if (!(await fill())) {
      throw new CodedError('CK-SOURCE-STREAM', `a stream was cut after ${position} bytes`, {
        cure: 'Nothing of it is used. It is read again; if this repeats, look for what ends the command on the mover.',
      })
    }
    return cut(maxLength)
  }

  async function take(length: number): Promise<Uint8Array> {
    if (rest.length >= length) return cut(length)
    const bytes = new Uint8Array(length)
    for (let done = 0; done < length;) {
      const piece = await some(length - done)
      bytes.set(piece, done)
      done += piece.length
    }
    return bytes
  }

  return {
    take,
    some,
    atEnd: async () => !(await fill()),
    position: () => position,
    close: async () => {
      await iterator.return?.()
    },
  }
}
