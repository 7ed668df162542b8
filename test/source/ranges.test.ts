/** How ranges are cut, and how they are asked of the process that reads them. */
import { mkdtemp, open, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { setImmediate as nextTurn } from 'node:timers/promises'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { answeredRuns, openPieces } from '../../source/answered-ranges.js'
import { gatheringOutput } from '../../source/gathering-output.js'
import { rangePieces } from '../../source/range-pieces.js'
import {
  endOfRequests,
  imageRequest,
  type ImageToRead,
  rangeRequest,
  readRequests,
} from '../../source/range-requests.js'
import type { Extent } from '../../source/source.js'
import { diffDataHead, diffEnd, diffHead, diffZero } from '../../source/write-rbd-diff.js'

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

describe('the answer of the process', () => {
  const asked = [
    { offset: 10, length: 5 },
    { offset: 20, length: 30 },
    { offset: 50, length: 1 },
  ]
  const head = diffHead({ from: null, to: 's', size: 100 })
  const data = (offset: number, length: number) => [diffDataHead(offset, length), Buffer.alloc(length, 1)]
  const good = [...data(10, 5), diffZero(20, 30), ...data(50, 1)]

  async function answered(...parts: Buffer[]): Promise<[number, number][]> {
    const pieces = openPieces()
    for (const piece of asked) pieces.add(piece)
    async function* stream() {
      for (const part of parts) yield await Promise.resolve(part)
    }
    const runs = await all(answeredRuns(stream(), pieces, 100, 'ranges'))
    return runs.map((run) => [run.offset, 'zero' in run ? run.length : run.data.length])
  }

  it('is taken when it is what was asked for, in any pieces', async () => {
    expect(await answered(head, ...good, diffEnd)).toEqual([
      [10, 5],
      [20, 30],
      [50, 1],
    ])
    const parts = [...data(10, 2), diffZero(12, 3), ...data(20, 1), ...data(21, 29), diffZero(50, 1)]
    expect(await answered(head, ...parts, diffEnd)).toHaveLength(5)
  })

  it.each<[string, Buffer[]]>([
    ['leaves out the last', [head, ...good.slice(0, 3), diffEnd]],
    ['leaves out one', [head, ...good.slice(0, 2), ...good.slice(3), diffEnd]],
    ['leaves out everything', [head, diffEnd]],
    ['ends early', [head, ...good]],
    ['gives more', [head, ...good, diffZero(60, 1), diffEnd]],
    ['gives another place', [head, ...data(11, 5), ...good.slice(2), diffEnd]],
    ['runs into what was not asked for', [head, ...data(10, 6), ...good.slice(2), diffEnd]],
    ['joins two ranges', [head, ...data(10, 5), diffZero(20, 31), diffEnd]],
    ['is of another size', [diffHead({ from: null, to: 's', size: 101 }), ...good, diffEnd]],
    ['is a difference', [diffHead({ from: 'r', to: 's', size: 100 }), ...good, diffEnd]],
  ])('is refused when it %s', async (_, parts) => {
    await expect(answered(...parts)).rejects.toMatchObject({ code: 'CK-SOURCE-STREAM' })
  })

  it('makes whoever asks wait while 256 pieces are open', async () => {
    const pieces = openPieces()
    for (let offset = 0; offset < 256; offset += 1) pieces.add({ offset, length: 1 })
    let hasRoom = false
    const waiting = pieces.room().then(() => (hasRoom = true))
    await nextTurn()
    expect(hasRoom).toBe(false)
    expect(pieces.take(0, 1)).toBe(true)
    await waiting
  })

  it('is written whole and in order by what gathers it', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'cinderkeep-out-'))
    const file = await open(join(dir, 'out'), 'w+')
    try {
      const parts = Array.from({ length: 3000 }, (__, at) => Buffer.alloc((at * 37) % 5000, at))
      const output = gatheringOutput(file.fd)
      for (const [at, part] of parts.entries()) {
        await output.add(part, Buffer.from([at % 256]))
        if (at % 700 === 0) await output.written()
      }
      await output.written()
      const expected = Buffer.concat(parts.flatMap((part, at) => [part, Buffer.from([at % 256])]))
      expect((await readFile(join(dir, 'out'))).equals(expected)).toBe(true)
    } finally {
      await file.close()
      await rm(dir, { recursive: true })
    }
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
