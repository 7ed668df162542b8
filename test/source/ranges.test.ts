/** How ranges are cut, and how they are asked of the process that reads them. */
import { PassThrough } from 'node:stream'
import { setImmediate as nextTurn } from 'node:timers/promises'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { rangePieces } from '../../source/range-pieces.js'
import {
  endOfRequests,
  imageRequest,
  type ImageToRead,
  rangeRequest,
  readRequests,
} from '../../source/range-requests.js'
import type { Extent } from '../../source/source.js'

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = []
  for await (const item of items) found.push(item)
  return found
}

describe('ranges', () => {
  it('are cut at every multiple of the piece, and cover what was asked for', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat(3000), fc.nat(9000)), { maxLength: 8 }),
        fc.integer({ min: 1, max: 4096 }),
        async (steps, pieceBytes) => {
          const ranges: Extent[] = []
          let at = 0
          for (const [gap, length] of steps) {
            ranges.push({ offset: at + gap, length })
            at += gap + length
          }
          const pieces = await all(rangePieces(ranges, at, pieceBytes))
          for (const { offset, length } of pieces) {
            expect(length).toBeGreaterThan(0)
            expect(Math.floor(offset / pieceBytes)).toBe(Math.floor((offset + length - 1) / pieceBytes))
          }
          for (const { offset, length } of ranges) {
            const inside = pieces.filter((piece) => piece.offset >= offset && piece.offset < offset + length)
            expect(inside.reduce((sum, piece) => sum + piece.length, 0)).toBe(length)
          }
          const total = (extents: Extent[]): number => extents.reduce((sum, extent) => sum + extent.length, 0)
          expect(total(pieces)).toBe(total(ranges))
        },
      ),
    )
  })

  it.each([
    [
      'go back',
      [
        { offset: 10, length: 5 },
        { offset: 3, length: 2 },
      ],
    ],
    [
      'overlap',
      [
        { offset: 10, length: 5 },
        { offset: 14, length: 2 },
      ],
    ],
    ['leave the volume', [{ offset: 90, length: 11 }]],
    ['are negative', [{ offset: 10, length: -1 }]],
    ['begin before the volume', [{ offset: -1, length: 5 }]],
    ['are no whole numbers', [{ offset: 0.5, length: 1 }]],
    ['are no numbers', [{ offset: NaN, length: 1 }]],
  ])('are refused when they %s', async (_, ranges) => {
    await expect(all(rangePieces(ranges, 100, 10))).rejects.toMatchObject({ code: 'CK-SOURCE-ORDER' })
  })
})

describe('what is asked of the process', () => {
  const image: ImageToRead = {
    conf: '/c',
    user: 'u',
    keyring: null,
    pool: 'p',
    image: 'i',
    snapshot: 's',
    identity: '4',
    size: 100,
  }
  const ranges = [
    { offset: 0, length: 5 },
    { offset: 2 ** 52, length: 4096 },
  ]

  it('arrives as it was asked, however it is cut', async () => {
    const text = imageRequest(image) + ranges.map(rangeRequest).join('') + endOfRequests
    for (const size of [1, 10, text.length]) {
      const stdin = new PassThrough()
      let cut = false
      const reading = readRequests(stdin, () => (cut = true))
      for (let at = 0; at < text.length; at += size) stdin.write(text.slice(at, at + size))
      stdin.end()
      const requests = await reading
      expect(requests.image).toEqual(image)
      expect(await all(requests.ranges)).toEqual(ranges)
      await nextTurn()
      expect(cut).toBe(false)
    }
  })

  it('is known to be cut as soon as stdin ends without its last line, although nothing is being read', async () => {
    for (const text of [
      '',
      imageRequest(image).slice(0, -5),
      imageRequest(image),
      imageRequest(image) + '0 5\n',
      imageRequest(image) + 'en',
    ]) {
      const stdin = new PassThrough()
      const cut = new Promise<void>((resolve) => {
        void readRequests(stdin, resolve).catch(() => undefined)
      })
      stdin.end(text)
      await cut
    }
  })
})
