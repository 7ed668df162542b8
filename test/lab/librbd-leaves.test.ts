/** Differences as librbd tells them, and leaves that are moved, on real images; compared with what `rbd` tells and exports. */
import { randomBytes, randomInt } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ActName, Answer, Given } from '../../librbd/acts.js'
import { withHands } from '../../librbd/hands.js'
import type { Piece } from '../../librbd/leaf-acts.js'
import type { Place } from '../../librbd/places.js'
import { hashLeaf, leafBytes, zeroLeafHash } from '../../source/hash-fold.js'
import { type Change, rbdWorkshop, type RbdWorkshop } from '../helpers/rbd-workshop.js'

const mib = 1024 * 1024
const stallMs = 300_000
let shop: RbdWorkshop
let place: Place

beforeAll(async () => {
  shop = await rbdWorkshop('leaves')
  place = { conf: shop.conf, user: 'admin', keyring: null, pool: 'volumes' }
})

afterAll(async () => {
  await shop.clean()
})

type Do = <Name extends ActName>(act: Name, given: Given<Name>) => Promise<Answer<Name>>

async function acting<T>(act: (doIt: Do) => Promise<T>): Promise<T> {
  return withHands(undefined, async (hands) => act(async (name, given) => hands.do(name, given, 2 * stallMs)))
}

async function snapshot(image: string, name: string): Promise<void> {
  await shop.rbd('snap', 'create', '--no-progress', `volumes/${image}@${name}`)
}

/** With a parent whose end lies within the clone. */
async function clone(): Promise<string> {
  const parent = `images/${shop.mark}-parent`
  await shop.rbd('create', '--size', '18M', parent)
  await shop.change(parent, [
    ['write', 100_000, 3 * mib],
    ['write', 13 * mib, 5 * mib],
  ])
  await shop.rbd('snap', 'create', '--no-progress', `${parent}@base`)
  await shop.rbd('snap', 'protect', `${parent}@base`)
  const image = `volume-${shop.mark}-clone`
  await shop.rbd('clone', `${parent}@base`, `volumes/${image}`)
  await shop.rbd('resize', '--no-progress', '--size', '26000001B', `volumes/${image}`)
  return image
}

type Extent = [offset: number, length: number, exists: number]

/** Neighbours of one kind joined: how they are cut says nothing. */
function joined(numbers: readonly number[]): Extent[] {
  const extents: Extent[] = []
  for (let at = 0; at < numbers.length; at += 3) {
    const [offset = 0, length = 0, exists = 0] = numbers.slice(at, at + 3)
    const last = extents.at(-1)
    if (last !== undefined && last[2] === exists && last[0] + last[1] === offset) last[1] += length
    else extents.push([offset, length, exists])
  }
  return extents
}

async function toldByRbd(of: string, from: string | null, wholeObject: boolean): Promise<Extent[]> {
  const options = [...(from === null ? [] : ['--from-snap', from]), ...(wholeObject ? ['--whole-object'] : [])]
  const told = JSON.parse(await shop.rbd('diff', '--format', 'json', ...options, `volumes/${of}`)) as {
    offset: number
    length: number
    exists: string
  }[]
  return joined(told.flatMap(({ offset, length, exists }) => [offset, length, exists === 'true' ? 1 : 0]))
}

describe('a difference', () => {
  it.each([
    ['an image', async () => shop.create('26000001B')],
    ['an image of objects of 1 MiB', async () => shop.create('26000001B', '--object-size', '1M')],
    ['a striped image', async () => shop.create('26000001B', '--stripe-unit', '65536', '--stripe-count', '3')],
    ['a clone', clone],
  ])('of %s is what the rbd command tells, with a base and without, plain and by whole objects', async (_, make) => {
    const image = await make()
    await shop.change(image, [
      ['write', 4096, 512],
      ['write', 5 * mib, 2 * mib],
    ])
    await snapshot(image, 'one')
    await shop.change(image, [
      ['write', 6 * mib + 4096, 8192],
      ['discard', 4 * mib, 1.5 * mib],
      ['zeroes', 13 * mib, 4 * mib],
      ['write', 25_999_001, 1000],
    ])
    await snapshot(image, 'two')
    await shop.change(image, [
      ['write', 9 * mib, mib],
      ['resize', 20_000_001],
    ])
    await acting(async (doIt) => {
      for (const name of ['one', 'two', null]) {
        const { open, size } = await doIt('openImage', { place, image, snapshot: name, write: false })
        const of = name === null ? image : `${image}@${name}`
        for (const from of name === 'one' ? [null] : name === 'two' ? [null, 'one'] : [null, 'one', 'two']) {
          for (const wholeObject of [false, true]) {
            const given = { open, from, offset: 0, length: size, wholeObject }
            const all = await doIt('diff', given)
            expect(joined(all)).toEqual(await toldByRbd(of, from, wholeObject))
            // nothing of what was cut off
            for (const [offset, length] of joined(all)) expect(offset + length).toBeLessThanOrEqual(size)
            // window for window, as it is asked in large images
            const parts: number[] = []
            for (let offset = 0; offset < size; offset += 2 * leafBytes) {
              const window = { offset, length: Math.min(2 * leafBytes, size - offset) }
              parts.push(...(await doIt('diff', { ...given, ...window })))
            }
            expect(joined(parts)).toEqual(joined(all))
          }
        }
        await expect(
          doIt('diff', { open, from: 'none', offset: 0, length: size, wholeObject: false }),
        ).rejects.toMatchObject({ exitCode: 2 })
      }
    })
  })

  it('is told whole when it has many extents, while others are asked for', async () => {
    const image = await shop.create('64M')
    await shop.change(image, [['write', 0, 64 * mib]])
    await snapshot(image, 'full')
    await shop.change(
      image,
      Array.from({ length: 4000 }, (_, at): Change => ['write', at * 16384, 4096]),
    )
    await acting(async (doIt) => {
      const { open, size } = await doIt('openImage', { place, image, snapshot: null, write: false })
      const given = { open, from: 'full', offset: 0, length: size, wholeObject: false }
      const wanted = await toldByRbd(image, 'full', false)
      expect(wanted).toHaveLength(4000)
      const all = await Promise.all([1, 2, 3].map(async () => doIt('diff', given)))
      for (const one of all) expect(joined(one)).toEqual(wanted)
    })
  })
})

describe('a leaf', () => {
  /** Full, half full, a hole, a hole that was written once, one with data at its end, a short last one. */
  const sizeBytes = 6 * leafBytes + 12_345
  const changes: Change[] = [
    ['write', 0, leafBytes],
    ['write', leafBytes + 1_000_000, 2_000_000],
    ['write', 3 * leafBytes, leafBytes],
    ['discard', 3 * leafBytes, leafBytes],
    ['write', 5 * leafBytes - 512, 512],
    ['write', 6 * leafBytes + 100, 12_000],
  ]

  function extentOf(leaf: number): { offset: number; length: number } {
    return { offset: leaf * leafBytes, length: Math.min(leafBytes, sizeBytes - leaf * leafBytes) }
  }

  const leaves = [0, 1, 2, 3, 4, 5, 6]
  /** Nothing but holes is in these. */
  const holes = [2, 3, 5]
  let image: string
  let content: Buffer

  beforeAll(async () => {
    image = await shop.create(`${sizeBytes}B`)
    await shop.change(image, changes)
    await snapshot(image, 'one')
    content = await shop.exported(`volumes/${image}@one`)
    // nothing of it is in the RBD snapshot
    await shop.change(image, [['write', 0, sizeBytes]])
  })

  /** A new image of random bytes, of the same size. */
  async function destination(): Promise<{ name: string; before: Buffer }> {
    const name = await shop.create(`${sizeBytes}B`)
    await shop.change(name, [['write', 0, sizeBytes]])
    return { name, before: await shop.exported(`volumes/${name}`) }
  }

  async function openBoth(doIt: Do, to: string): Promise<{ from: number; open: number }> {
    const from = await doIt('openImage', { place, image, snapshot: 'one', write: false })
    expect(from.size).toBe(sizeBytes)
    const head = await doIt('openImage', { place, image: to, snapshot: null, write: true })
    return { from: from.open, open: head.open }
  }

  it.each([false, true])('is hashed, asked first whether it is a hole: %s', async (isLikelyHole) => {
    await acting(async (doIt) => {
      const { open } = await doIt('openImage', { place, image, snapshot: 'one', write: false })
      const moved = await Promise.all(
        leaves.map(async (leaf) =>
          doIt('moveLeaf', { from: open, ...extentOf(leaf), isLikelyHole, to: null, stallMs }),
        ),
      )
      for (const [leaf, { hash, readBytes, writtenBytes }] of moved.entries()) {
        const { offset, length } = extentOf(leaf)
        const isKnown = isLikelyHole && holes.includes(leaf)
        expect(Buffer.from(hash).equals(hashLeaf(content.subarray(offset, offset + length))), `leaf ${leaf}`).toBe(true)
        expect([readBytes, writtenBytes]).toEqual([isKnown ? 0 : length, 0])
      }
      expect(Buffer.from(moved[2]?.hash ?? []).equals(zeroLeafHash(leafBytes))).toBe(true)
    })
  })

  it('is written whole, whatever was there, many at once; the last one short', async () => {
    const { name } = await destination()
    await acting(async (doIt) => {
      const { from, open } = await openBoth(doIt, name)
      const moved = await Promise.all(
        leaves.map(async (leaf) => {
          const extent = extentOf(leaf)
          const to = { open, pieces: [{ ...extent, zero: false }], unless: null }
          return doIt('moveLeaf', { from, ...extent, isLikelyHole: holes.includes(leaf), to, stallMs })
        }),
      )
      await doIt('flush', { open })
      // what is known to be zero takes no room
      expect(moved.map(({ writtenBytes }) => writtenBytes)).toEqual(
        leaves.map((leaf) => (holes.includes(leaf) ? 0 : extentOf(leaf).length)),
      )
    })
    expect((await shop.exported(`volumes/${name}`)).equals(content)).toBe(true)
    const written = await toldByRbd(name, null, false)
    for (const leaf of [2, 3, 5])
      expect(
        written.some(([offset, length]) => offset < (leaf + 1) * leafBytes && offset + length > leaf * leafBytes),
      ).toBe(false)
  })

  it('is written in the pieces that are named, data and zeros, and nowhere else', async () => {
    const { name, before } = await destination()
    const expected = Buffer.from(before)
    await acting(async (doIt) => {
      const { from, open } = await openBoth(doIt, name)
      const moves = leaves.map((leaf) => {
        const { offset, length } = extentOf(leaf)
        const borders = [0, length, ...Array.from({ length: 9 }, () => randomInt(length))].sort((a, b) => a - b)
        const pieces = borders.flatMap((border, at): Piece[] => {
          const end = borders[at + 1] ?? border
          if (end === border || at % 3 === 2) return []
          return [{ offset: offset + border, length: end - border, zero: at % 3 === 1 }]
        })
        for (const piece of pieces) {
          const end = piece.offset + piece.length
          if (piece.zero) expected.fill(0, piece.offset, end)
          else content.copy(expected, piece.offset, piece.offset, end)
        }
        return { from, ...extentOf(leaf), isLikelyHole: leaf % 2 === 1, to: { open, pieces, unless: null }, stallMs }
      })
      const moved = await Promise.all(moves.map(async (move) => doIt('moveLeaf', move)))
      const data = moves.map(({ to }) => to.pieces.reduce((sum, { length, zero }) => sum + (zero ? 0 : length), 0))
      expect(moved.map(({ writtenBytes }) => writtenBytes)).toEqual(
        data.map((bytes, leaf) => (leaf % 2 === 1 && holes.includes(leaf) ? 0 : bytes)),
      )
      await doIt('flush', { open })
    })
    expect((await shop.exported(`volumes/${name}`)).equals(expected)).toBe(true)
  })

  it('is written in a thousand pieces, as a database leaves them, eight leaves at once', async () => {
    const { name, before } = await destination()
    const expected = Buffer.from(before)
    await acting(async (doIt) => {
      const { from, open } = await openBoth(doIt, name)
      const moves = leaves.map((leaf) => {
        const { offset, length } = extentOf(leaf)
        const piece = (at: number): Piece => ({ offset: offset + at * 4096, length: 2048, zero: false })
        const pieces = Array.from({ length: Math.floor(length / 4096) }, (_, at) => piece(at))
        for (const one of pieces) content.copy(expected, one.offset, one.offset, one.offset + one.length)
        return { from, offset, length, isLikelyHole: false, to: { open, pieces, unless: null }, stallMs }
      })
      await Promise.all(moves.map(async (move) => doIt('moveLeaf', move)))
      await doIt('flush', { open })
    })
    expect((await shop.exported(`volumes/${name}`)).equals(expected)).toBe(true)
  })

  it('is not written when it has the hash that it should have, and is when it has another', async () => {
    const { name, before } = await destination()
    const expected = Buffer.from(before)
    await acting(async (doIt) => {
      const { from, open } = await openBoth(doIt, name)
      for (const leaf of leaves) {
        const { offset, length } = extentOf(leaf)
        const pieces = [{ offset, length, zero: false }]
        const own = hashLeaf(content.subarray(offset, offset + length))
        const move = { from, offset, length, isLikelyHole: leaf % 2 === 1, stallMs }
        const same = await doIt('moveLeaf', { ...move, to: { open, pieces, unless: own } })
        expect(same.writtenBytes).toBe(0)
        expect(Buffer.from(same.hash).equals(own)).toBe(true)
        if (leaf < 3) continue
        const other = await doIt('moveLeaf', { ...move, to: { open, pieces, unless: randomBytes(32) } })
        expect(Buffer.from(other.hash).equals(own)).toBe(true)
        content.copy(expected, offset, offset, offset + length)
      }
      await doIt('flush', { open })
    })
    expect((await shop.exported(`volumes/${name}`)).equals(expected)).toBe(true)
  })

  it('of a clone has what lies in its parent', async () => {
    const name = `volume-${shop.mark}-of`
    const parent = `images/${shop.mark}-of-parent`
    await shop.rbd('create', '--size', '9M', parent)
    await shop.change(parent, [['write', 5 * mib, 4 * mib]])
    await shop.rbd('snap', 'create', '--no-progress', `${parent}@base`)
    await shop.rbd('snap', 'protect', `${parent}@base`)
    await shop.rbd('clone', `${parent}@base`, `volumes/${name}`)
    const bytes = await shop.exported(`volumes/${name}`)
    await acting(async (doIt) => {
      const { open, size } = await doIt('openImage', { place, image: name, snapshot: null, write: false })
      for (let offset = 0; offset < size; offset += leafBytes) {
        const length = Math.min(leafBytes, size - offset)
        const move = { from: open, offset, length, isLikelyHole: true, to: null, stallMs }
        const { hash, readBytes } = await doIt('moveLeaf', move)
        expect(Buffer.from(hash).equals(hashLeaf(bytes.subarray(offset, offset + length)))).toBe(true)
        expect(readBytes).toBe(offset === 0 ? 0 : length)
      }
    })
  })

  it('is refused by an image that is open for reading alone', async () => {
    await acting(async (doIt) => {
      const { open } = await doIt('openImage', { place, image, snapshot: 'one', write: false })
      const to = { open, pieces: [{ ...extentOf(0), zero: false }], unless: null }
      const move = { from: open, ...extentOf(0), isLikelyHole: false, to, stallMs }
      await expect(doIt('moveLeaf', move)).rejects.toMatchObject({ exitCode: 30 })
    })
  })

  it.each([
    ['more than a leaf', { offset: 0, length: leafBytes + 1 }, []],
    ['a piece before it', extentOf(1), [{ offset: 0, length: 512, zero: false }]],
    ['a piece behind it', extentOf(1), [{ offset: 2 * leafBytes - 256, length: 512, zero: false }]],
  ])('is refused when it is %s: nothing but its own memory is touched', async (_, extent, pieces) => {
    const { name, before } = await destination()
    await acting(async (doIt) => {
      const { from, open } = await openBoth(doIt, name)
      const move = { from, ...extent, isLikelyHole: false, to: { open, pieces, unless: null }, stallMs }
      await expect(doIt('moveLeaf', move)).rejects.toMatchObject({ code: 'CK-SOURCE-COMMAND' })
    })
    expect((await shop.exported(`volumes/${name}`)).equals(before)).toBe(true)
  })
})
