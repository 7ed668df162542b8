import { parseRbdDiff, streamError } from './rbd-diff-stream.js'
import type { DataRun, Extent, ZeroRun } from './source.js'

/** How many pieces may be asked for before the first is answered: more than the program reads at once. */
const maxOpenPieces = 256

/** What was asked for and is not answered yet. */
export interface OpenPieces {
  /** Resolves when one more may be asked for. */
  room(): Promise<void>
  add(piece: Extent): void
  /** Whether these bytes are the next ones that are due. */
  take(offset: number, length: number): boolean
  isEmpty(): boolean
}

export function openPieces(): OpenPieces {
  const pieces: Extent[] = []
  let onRoom = (): void => undefined
  return {
    room: async () => {
      while (pieces.length >= maxOpenPieces) await new Promise<void>((resolve) => (onRoom = resolve))
    },
    add: (piece) => {
      pieces.push(piece)
    },
    take: (offset, length) => {
      const [due] = pieces
      if (due?.offset !== offset || length > due.length) return false
      if (length < due.length) pieces[0] = { offset: offset + length, length: due.length - length }
      else {
        pieces.shift()
        onRoom()
      }
      return true
    },
    isEmpty: () => pieces.length === 0,
  }
}

/**
 * The runs of a stream that must be exactly what was asked for: nothing else, nothing less, nothing twice.
 * @throws CodedError `CK-SOURCE-STREAM`
 */
export async function* answeredRuns(
  stream: AsyncIterable<Uint8Array>,
  asked: OpenPieces,
  sizeBytes: number,
  title: string,
): AsyncGenerator<DataRun | ZeroRun, void, undefined> {
  for await (const record of parseRbdDiff(stream, title)) {
    if (record.tag === 'from') throw streamError(title, `begins at ${record.name}`)
    if (record.tag === 'size' && record.size !== sizeBytes) throw streamError(title, `is of ${record.size} bytes`)
    if (record.tag !== 'data' && record.tag !== 'zero') continue
    const { offset } = record
    if (!asked.take(offset, record.tag === 'data' ? record.data.length : record.length)) {
      throw streamError(title, `gives bytes at ${offset} that are not the next ones asked for`)
    }
    yield record.tag === 'data' ? { offset, data: record.data } : { offset, length: record.length, zero: true }
  }
  if (!asked.isEmpty()) throw streamError(title, 'leaves out what was asked for')
}
