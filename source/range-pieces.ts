import { CodedError } from '../errors/coded-error.js'
import type { Extent } from './source.js'

/**
 * Cuts ranges into pieces that are read at once; a piece ends at every multiple of `pieceBytes`, since an object of
 * RBD does too.
 * @throws CodedError `CK-SOURCE-ORDER` when the ranges are not ascending, overlap or leave the volume
 */
export async function* rangePieces(
  ranges: Iterable<Extent> | AsyncIterable<Extent>,
  sizeBytes: number,
  pieceBytes: number,
): AsyncGenerator<Extent, void, undefined> {
  let reached = 0
  for await (const { offset, length } of ranges) {
    const end = offset + length
    if (!Number.isSafeInteger(end) || !Number.isSafeInteger(offset)) throw wrongRange(`${offset} to ${end} is no range`)
    if (offset < reached || length < 0) throw wrongRange(`a range at ${offset} came after byte ${reached}`)
    if (end > sizeBytes) throw wrongRange(`a range up to ${end} was asked of ${sizeBytes} bytes`)
    for (reached = offset; reached < end;) {
      const next = Math.min(end, reached - (reached % pieceBytes) + pieceBytes)
      yield { offset: reached, length: next - reached }
      reached = next
    }
  }
}

function wrongRange(what: string): CodedError {
  return new CodedError(
    'CK-SOURCE-ORDER',
    `ranges of a volume were not asked for from its beginning to its end: ${what}`,
    {
      cure: 'Nothing of it is used. This is a fault of Cinderkeep: please report it.',
    },
  )
}
