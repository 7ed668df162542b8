/**
 * Real streams (Ceph 16.2.15, an image of objects of 4 KiB), damaged in many ways. A stream has no checksum, so a changed
 * byte of data is as good as another; whatever else was changed is refused, or means exactly what it says: what is
 * parsed while it passes, in chunks of any size, equals what a parser reads that has the whole stream before it.
 */
import { readFileSync, readdirSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { CodedError } from '../../errors/coded-error.js'
import { type DiffRecord, parseRbdDiff } from '../../source/rbd-diff-stream.js'
import { diffDataHead, diffEnd, diffHead, diffZero } from '../helpers/write-rbd-diff.js'

const directory = new URL('../fixtures/rbd-diff/', import.meta.url)
const streams = readdirSync(directory).map((name) => readFileSync(new URL(name, directory)))
const numRuns = Number(process.env['FUZZ_RUNS'] ?? 2000)
const seed = Date.now()

/** What a stream says, data joined; `refused` for one that is not to be used. */
type Meaning = Exclude<DiffRecord, { tag: 'data' }> | { tag: 'data'; offset: number; data: Buffer }

async function streamed(stream: Buffer, chunkSizes: number[]): Promise<Meaning[] | 'refused'> {
  async function* chunks() {
    for (let at = 0, turn = 0; at < stream.length; turn += 1) {
      const length = chunkSizes[turn % chunkSizes.length] ?? 1
      yield stream.subarray(at, at + length)
      at += length
    }
  }
  const records: Meaning[] = []
  try {
    for await (const record of parseRbdDiff(chunks())) {
      const last = records.at(-1)
      if (record.tag !== 'data') records.push(record)
      else if (last?.tag === 'data' && last.offset + last.data.length === record.offset) {
        last.data = Buffer.concat([last.data, record.data])
      } else records.push({ ...record, data: Buffer.from(record.data) })
    }
    return records
  } catch (error) {
    if (error instanceof CodedError && error.code === 'CK-SOURCE-STREAM') return 'refused'
    throw error
  }
}

/** Another reading of the same format: a pattern of tags, then numbers. */
function whole(stream: Buffer): Meaning[] | 'refused' {
  const records: Meaning[] = []
  let at = 12
  let tags = ''
  let reached = 0
  let size = -1
  try {
    if (stream.toString('latin1', 0, at) !== 'rbd diff v1\n') return 'refused'
    for (;;) {
      const tag = String.fromCharCode(stream.readUInt8(at))
      at += 1
      tags += tag
      if (tag === 'e') break
      if (tag === 'f' || tag === 't') {
        const length = stream.readUInt32LE(at)
        if (at + 4 + length > stream.length) return 'refused'
        const name = stream.toString('utf8', at + 4, at + 4 + length)
        records.push({ tag: tag === 'f' ? 'from' : 'to', name })
        at += 4 + length
      } else if (tag === 's') {
        size = Number(stream.readBigUInt64LE(at))
        if (!Number.isSafeInteger(size)) return 'refused'
        records.push({ tag: 'size', size })
        at += 8
      } else if (tag === 'w' || tag === 'z') {
        const [offset, length] = [Number(stream.readBigUInt64LE(at)), Number(stream.readBigUInt64LE(at + 8))]
        at += 16
        if (offset < reached || offset + length > size) return 'refused'
        reached = offset + length
        if (tag === 'z') records.push({ tag: 'zero', offset, length })
        else {
          if (at + length > stream.length) return 'refused'
          addData(records, offset, stream.subarray(at, at + length))
          at += length
        }
      } else return 'refused'
    }
  } catch (error) {
    // beyond the end
    if (error instanceof RangeError) return 'refused'
    throw error
  }
  return at === stream.length && /^f?t?s[wz]*e$/.test(tags) ? records : 'refused'
}

function addData(records: Meaning[], offset: number, data: Buffer): void {
  const last = records.at(-1)
  if (data.length === 0) return
  if (last?.tag === 'data' && last.offset + last.data.length === offset) last.data = Buffer.concat([last.data, data])
  else records.push({ tag: 'data', offset, data })
}

/** Where the fields of a stream begin: damage there says more than damage in data. */
function borders(stream: Buffer): number[] {
  const found = [0, 12]
  const meaning = whole(stream)
  if (meaning === 'refused') throw new Error('a fixture is damaged')
  for (let at = 12; at < stream.length;) {
    const tag = stream.toString('latin1', at, at + 1)
    at += 1
    if (tag === 'f' || tag === 't') at += 4 + stream.readUInt32LE(at)
    else if (tag === 's') at += 8
    else if (tag === 'z') at += 16
    else if (tag === 'w') at += 16 + Number(stream.readBigUInt64LE(at + 8))
    found.push(at)
  }
  return found
}

const damaged = fc
  .constantFrom(...streams)
  .chain((stream) => {
    const near = fc
      .tuple(fc.constantFrom(...borders(stream)), fc.integer({ min: -2, max: 24 }))
      .map(([at, by]) => at + by)
    const place = fc.oneof(near, fc.nat(stream.length)).map((at) => Math.min(Math.max(at, 0), stream.length))
    const change = fc.oneof(
      fc.record({ kind: fc.constant('set' as const), at: place, bytes: fc.uint8Array({ minLength: 1, maxLength: 9 }) }),
      fc.record({
        kind: fc.constant('insert' as const),
        at: place,
        bytes: fc.uint8Array({ minLength: 1, maxLength: 40 }),
      }),
      fc.record({ kind: fc.constant('drop' as const), at: place, to: place }),
      fc.record({ kind: fc.constant('repeat' as const), at: place, to: place }),
      fc.record({ kind: fc.constant('cut' as const), at: place }),
      fc.record({
        kind: fc.constant('tag' as const),
        at: fc.constantFrom(...borders(stream)),
        tag: fc.constantFrom('f', 't', 's', 'w', 'z', 'e', 'u', 'F', '\0'),
      }),
    )
    return fc.tuple(fc.constant(stream), fc.array(change, { minLength: 1, maxLength: 3 }))
  })
  .map(([stream, changes]) =>
    changes.reduce((bytes, change) => {
      const { at } = change
      const [before, after] = [bytes.subarray(0, at), bytes.subarray(at)]
      if (change.kind === 'set') return Buffer.concat([before, change.bytes, after.subarray(change.bytes.length)])
      if (change.kind === 'insert') return Buffer.concat([before, change.bytes, after])
      if (change.kind === 'drop') return Buffer.concat([before, bytes.subarray(Math.max(at, change.to))])
      if (change.kind === 'repeat') return Buffer.concat([before, bytes.subarray(Math.min(at, change.to), at), after])
      if (change.kind === 'cut') return before
      return Buffer.concat([before, Buffer.from(change.tag, 'latin1'), after.subarray(1)])
    }, stream),
  )

const chunkSizes = fc.array(fc.integer({ min: 1, max: 5000 }), { minLength: 1, maxLength: 4 })

describe('a real stream', () => {
  it('means the same to both parsers, in chunks of any size', async () => {
    const tags = new Set<string>()
    for (const stream of streams) {
      const meaning = whole(stream)
      expect(meaning).not.toBe('refused')
      for (const size of [1, 7, 4096, stream.length]) expect(await streamed(stream, [size])).toEqual(meaning)
      for (const record of meaning === 'refused' ? [] : meaning) tags.add(record.tag)
    }
    expect([...tags].sort()).toEqual(['data', 'from', 'size', 'to', 'zero'])
  })

  it('is refused when it is cut, wherever that is', async () => {
    for (const stream of streams) {
      const every = stream.length > 3000 ? 37 : 1
      for (let length = 0; length < stream.length; length += every) {
        expect(await streamed(stream.subarray(0, length), [4096])).toBe('refused')
      }
      expect(await streamed(stream.subarray(0, -1), [4096])).toBe('refused')
    }
  })

  it('that is damaged is refused, or means what it says', async () => {
    let refused = 0
    await fc.assert(
      fc.asyncProperty(damaged, chunkSizes, async (stream, sizes) => {
        const meaning = whole(stream)
        if (meaning === 'refused') refused += 1
        expect(await streamed(stream, sizes)).toEqual(meaning)
      }),
      { numRuns, seed },
    )
    // both happen, else nothing was tried
    expect(refused).toBeGreaterThan(numRuns / 2)
    expect(refused).toBeLessThan(numRuns)
  })

  it('is written again byte for byte from what was read', async () => {
    for (const stream of streams) {
      const meaning = await streamed(stream, [1000])
      if (meaning === 'refused') throw new Error('unreachable')
      const head = { from: null as string | null, to: null as string | null, size: 0 }
      const body: Buffer[] = []
      for (const record of meaning) {
        if (record.tag === 'from' || record.tag === 'to') head[record.tag] = record.name
        else if (record.tag === 'size') head.size = record.size
        else if (record.tag === 'zero') body.push(diffZero(record.offset, record.length))
        else body.push(diffDataHead(record.offset, record.data.length), record.data)
      }
      const again = Buffer.concat([diffHead(head), ...body, diffEnd])
      expect(await streamed(again, [1000])).toEqual(meaning)
    }
  })
})
