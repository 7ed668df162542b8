/**
 * What is asked of rbd-range-process.ts on its stdin, a line each: the image as JSON, then `<offset> <length>` as often
 * as needed, then `end`. All of it is kept as it comes, so that the end of stdin is seen at once: the caller bounds how
 * many ranges are open.
 */
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import type { ImageToOpen } from './librbd.js'
import type { Extent } from './source.js'

/** No range is longer: the process holds some of them in memory. */
export const maxRangeBytes = 4 * 1024 * 1024

export interface ImageToRead extends ImageToOpen {
  /** The RBD snapshot's id, or the image's. */
  identity: string
  size: number
}

export const endOfRequests = 'end\n'

export function imageRequest(image: ImageToRead): string {
  return `${JSON.stringify(image)}\n`
}

export function rangeRequest({ offset, length }: Extent): string {
  return `${offset} ${length}\n`
}

/**
 * @param onCut called when stdin ends before its last line: whoever asked is gone
 * @returns the image first, then the ranges
 */
export async function readRequests(
  stdin: Readable,
  onCut: () => void,
): Promise<{ image: ImageToRead; ranges: AsyncIterable<Extent> }> {
  const waiting: string[] = []
  let wake = (): void => undefined
  let ended = false
  createInterface({ input: stdin })
    .on('line', (line) => {
      ended ||= `${line}\n` === endOfRequests
      waiting.push(line)
      wake()
    })
    .on('close', () => {
      if (!ended) onCut()
    })

  async function next(): Promise<string> {
    for (;;) {
      const line = waiting.shift()
      if (line !== undefined) return line
      await new Promise<void>((resolve) => (wake = resolve))
    }
  }

  async function* ranges(): AsyncGenerator<Extent, void, undefined> {
    for (let line = await next(); `${line}\n` !== endOfRequests; line = await next()) {
      const [offset = NaN, length = NaN] = line.split(' ').map(Number)
      yield { offset, length }
    }
  }

  return { image: JSON.parse(await next()) as ImageToRead, ranges: ranges() }
}
