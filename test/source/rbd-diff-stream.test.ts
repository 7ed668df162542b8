import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type DiffRecord, parseRbdDiff } from '../../source/rbd-diff-stream.js'

const banner = Buffer.from('rbd diff v1\n')
const end = Buffer.from('e')

function u64(value: number | bigint): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(BigInt(value))
  return bytes
}

function named(tag: 'f' | 't', name: string): Buffer {
  const length = Buffer.alloc(4)
  length.writeUInt32LE(Buffer.byteLength(name))
  return Buffer.concat([Buffer.from(tag), length, Buffer.from(name)])
}

function sized(size: number | bigint): Buffer {
  return Buffer.concat([Buffer.from('s'), u64(size)])
}

function written(offset: number, data: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from('w'), u64(offset), u64(data.length), data])
}

function zeroed(offset: number, length: number): Buffer {
  return Buffer.concat([Buffer.from('z'), u64(offset), u64(length)])
}

async function* chunked(stream: Buffer, borders: number[] = []) {
  const all = [...borders.map((border) => border % (stream.length + 1)), stream.length].sort((a, b) => a - b)
  let from = 0
  for (const to of all) {
    yield stream.subarray(from, to)
    from = to
  }
}

/** All records, data that belongs together joined. */
async function parse(stream: Buffer, borders?: number[]): Promise<DiffRecord[]> {
  const records: DiffRecord[] = []
  for await (const record of parseRbdDiff(chunked(stream, borders))) {
    const last = records.at(-1)
    if (record.tag === 'data' && last?.tag === 'data' && last.offset + last.data.length === record.offset) {
      last.data = Buffer.concat([last.data, record.data])
    } else records.push(record.tag === 'data' ? { ...record, data: Buffer.from(record.data) } : record)
  }
  return records
}

const refused = expect.objectContaining({ code: 'CK-SOURCE-STREAM' }) as unknown

/** A well-formed stream and what it says; a gap between two extents keeps the joining above from hiding a border. */
const streams = fc
  .record({
    from: fc.option(fc.string({ maxLength: 20, unit: 'grapheme' })),
    to: fc.option(fc.string({ maxLength: 20 })),
    extents: fc.array(
      fc.record({
        gap: fc.integer({ min: 1, max: 5000 }),
        data: fc.uint8Array({ minLength: 1, maxLength: 300 }),
        zero: fc.boolean(),
      }),
      { maxLength: 12 },
    ),
    beyond: fc.nat(1000),
  })
  .map(({ from, to, extents, beyond }) => {
    const records: DiffRecord[] = []
    const parts: Buffer[] = []
    let position = 0
    for (const { gap, data, zero } of extents) {
      const offset = position + gap
      position = offset + data.length
      records.push(
        zero ? { tag: 'zero', offset, length: data.length } : { tag: 'data', offset, data: Buffer.from(data) },
      )
      parts.push(zero ? zeroed(offset, data.length) : written(offset, data))
    }
    const size = position + beyond
    const head: DiffRecord[] = [{ tag: 'size', size }]
    if (to !== null) head.unshift({ tag: 'to', name: to })
    if (from !== null) head.unshift({ tag: 'from', name: from })
    const fields = [from === null ? [] : [named('f', from)], to === null ? [] : [named('t', to)], [sized(size)]].flat()
    return { records: [...head, ...records], stream: Buffer.concat([banner, ...fields, ...parts, end]) }
  })

describe('parseRbdDiff', () => {
  it('finds the same records wherever the borders of the chunks lie', async () => {
    await fc.assert(
      fc.asyncProperty(streams, fc.array(fc.nat(), { maxLength: 20 }), async ({ records, stream }, borders) => {
        expect(await parse(stream, borders)).toEqual(records)
      }),
      { numRuns: 300 },
    )
  })

  it('parses a stream that comes byte by byte', async () => {
    const data = Buffer.from('some bytes')
    const stream = Buffer.concat([banner, named('t', 'snapshot-1'), sized(4096), written(512, data), end])
    expect(await parse(stream, [...stream.keys()])).toEqual([
      { tag: 'to', name: 'snapshot-1' },
      { tag: 'size', size: 4096 },
      { tag: 'data', offset: 512, data },
    ])
  })

  it('refuses a stream that was cut anywhere, even before its last byte', async () => {
    await fc.assert(
      fc.asyncProperty(streams, fc.nat(), async ({ stream }, at) => {
        await expect(parse(stream.subarray(0, at % stream.length))).rejects.toEqual(refused)
      }),
      { numRuns: 300 },
    )
    const { stream } = fc.sample(streams, { numRuns: 1, seed: 7 })[0] ?? { stream: end }
    for (let length = 0; length < stream.length; length += 1) {
      await expect(parse(stream.subarray(0, length))).rejects.toEqual(refused)
    }
  })

  it('refuses every tag that it does not know, where import-diff skips it', async () => {
    for (let tag = 0; tag < 256; tag += 1) {
      if ('ftswze'.includes(String.fromCharCode(tag))) continue
      const stream = Buffer.concat([banner, sized(4096), Buffer.from([tag]), u64(0), end])
      await expect(parse(stream)).rejects.toEqual(refused)
    }
  })

  it('refuses bytes after the end record', async () => {
    await fc.assert(
      fc.asyncProperty(streams, fc.uint8Array({ minLength: 1, maxLength: 20 }), async ({ stream }, more) => {
        await expect(parse(Buffer.concat([stream, more]))).rejects.toEqual(refused)
      }),
    )
  })

  it.each([
    ['another banner', Buffer.concat([Buffer.from('rbd diff v2\n'), sized(1), end])],
    ['no size', Buffer.concat([banner, end])],
    ['data before the size', Buffer.concat([banner, written(0, end), sized(10), end])],
    ['two sizes', Buffer.concat([banner, sized(10), sized(10), end])],
    ['two names of the same kind', Buffer.concat([banner, named('t', 'a'), named('t', 'b'), sized(1), end])],
    ['a name after the size', Buffer.concat([banner, sized(10), named('t', 'a'), end])],
    ['a name without end', Buffer.concat([banner, Buffer.from('t'), Buffer.from([255, 255, 255, 255]), end])],
    ['an extent beyond the size', Buffer.concat([banner, sized(10), written(5, Buffer.alloc(6)), end])],
    ['zeros beyond the size', Buffer.concat([banner, sized(10), zeroed(5, 6), end])],
    ['overlapping extents', Buffer.concat([banner, sized(10), zeroed(0, 5), written(4, end), end])],
    ['descending extents', Buffer.concat([banner, sized(10), written(5, end), written(0, end), end])],
    ['a size beyond what a number holds', Buffer.concat([banner, sized(2n ** 63n), end])],
    [
      'an offset beyond what a number holds',
      Buffer.concat([banner, sized(10), Buffer.from('w'), u64(2n ** 64n - 1n), u64(1), end]),
    ],
  ])('refuses %s', async (_, stream) => {
    await expect(parse(stream)).rejects.toEqual(refused)
  })

  it('cuts a long record into pieces of at most 4 MiB, without waiting for the rest', async () => {
    const data = Buffer.alloc(9 * 1024 * 1024, 7)
    const stream = Buffer.concat([banner, sized(data.length), written(0, data), end])
    const lengths: number[] = []
    for await (const record of parseRbdDiff(chunked(stream)))
      if (record.tag === 'data') lengths.push(record.data.length)
    expect(lengths).toEqual([4 * 1024 * 1024, 4 * 1024 * 1024, 1024 * 1024])
  })

  it('ends its source when the reader leaves early', async () => {
    let ended = false
    async function* source() {
      try {
        yield Buffer.concat([banner, sized(10)])
        yield written(0, end)
      } finally {
        ended = true
      }
    }
    for await (const record of parseRbdDiff(source())) if (record.tag === 'size') break
    expect(ended).toBe(true)
  })
})
