/** What reading back leaves on an image, and in which order. */
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { CommandFailed } from '../../source/command-errors.js'
import type { Asking } from '../../targets/ceph/asking.js'
import { keepReading } from '../../targets/ceph/evidence.js'
import type { StoredCopy } from '../../targets/ceph/image-state.js'
import { readingSchema, type Reading } from '../../targets/ceph/manifest.js'
import { openSeals, type Seals } from '../../targets/ceph/seal.js'
import { isTreeWhole, readPiece } from '../../targets/ceph/tree-store.js'

let dir: string
let seals: Seals
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'ck-evidence-'))
  await writeFile(join(dir, 'key'), randomBytes(32))
  seals = await openSeals(join(dir, 'key'))
})
afterAll(() => rm(dir, { recursive: true }))

const image = 'ck-x'
const manifest = {
  ...{
    image,
    point: 'p',
    copySnapshot: { name: 's', id: 4 },
    hashedBytes: 8,
    pieceLeaves: 4,
    rootHash: '',
    base: null,
  },
}
const stored = { key: 'a.1', manifest, reading: null, mark: {} } as unknown as StoredCopy
const setting = { now: () => 0 }

/** A pool that does as `does` says. */
function asking(does: (name: string, given: Record<string, unknown>) => unknown): Asking {
  const hands = {
    do: async (name: string, given: unknown) => Promise.resolve(does(name, given as Record<string, unknown>)),
  }
  const access = { conf: 'c', user: 'u', pool: 'archives' }
  return { hands, access, timeoutMs: 1000 } as unknown as Asking
}

function failed(exitCode: number): CommandFailed {
  return new CommandFailed(
    { name: 'rados', args: [], title: 'rados', packageName: '' },
    { exitCode, signalName: null, stderr: [] },
  )
}

interface Found {
  state: 'verified' | 'damaged'
  leaf?: number
  isMissed?: boolean
  /** Of the same image. */
  others?: StoredCopy[]
}

/** The records that are written, until the one that fails. */
async function recordsOf(copy: StoredCopy, { leaf, isMissed = false, others = [], state }: Found, failing?: RegExp) {
  const written: [string, string][] = []
  const pool = asking((_, { key, value }) => {
    if (failing?.test(String(key)) === true) throw failed(110)
    written.push([String(key), String(value)])
  })
  const image = { copies: [copy, ...others], damage: { id: 'd1', at: '', point: '' } }
  const found = { state, leaf: leaf ?? null }
  await keepReading({ setting, asking: pool, seals }, image, copy, found, async () => Promise.resolve(isMissed)).catch(
    (error: unknown) => {
      if (failing === undefined) throw error
    },
  )
  return written
}

async function readingOf(...given: Parameters<typeof recordsOf>): Promise<Reading> {
  const [, text = ''] = (await recordsOf(...given)).at(-1) ?? []
  const opened = seals.open('reading', `${image}@a.1`, text)
  return readingSchema.parse('body' in opened ? opened.body : null)
}

const keys = async (...given: Parameters<typeof recordsOf>) => (await recordsOf(...given)).map(([key]) => key)

describe('a reading', () => {
  it('that found damage says so of the image first, so that it is known of whoever dies', async () => {
    expect(await keys(stored, { state: 'damaged', leaf: 3 })).toEqual(['ck.damage', 'ck.a.1.reading'])
    expect(await keys(stored, { state: 'damaged', leaf: 3 }, /reading$/)).toEqual(['ck.damage'])
    expect(await keys(stored, { state: 'damaged', leaf: 3 }, /damage$/)).toEqual([])
    expect(await keys(stored, { state: 'verified' })).toEqual(['ck.a.1.reading'])
  })

  it('that found the same leaf again takes the proof from nothing', async () => {
    const reading = await readingOf(stored, { state: 'damaged', leaf: 3 })
    const again = { ...stored, reading }
    expect(await keys(again, { state: 'damaged', leaf: 3 })).toEqual(['ck.a.1.reading'])
    expect(await keys(again, { state: 'damaged', leaf: 4 })).toEqual(['ck.damage', 'ck.a.1.reading'])
    const healed = { ...stored, reading: { ...reading, state: 'verified' as const } }
    expect(await keys(healed, { state: 'damaged', leaf: 3 })).toEqual(['ck.damage', 'ck.a.1.reading'])
  })

  it('that found the same leaf again takes it from what was proven since, where that may share the leaf', async () => {
    const again = { ...stored, reading: await readingOf(stored, { state: 'damaged', leaf: 3 }) }
    const proven = (base: object | null): StoredCopy => {
      const reading = { state: 'verified', since: 'd1', isMissed: false, leaf: null, copySnapshotId: 5 }
      const its = { manifest: { ...manifest, base }, isThere: true, missed: null, mark: { state: 'verified' }, reading }
      return { key: 'b.2', ...its } as unknown as StoredCopy
    }
    const found = (base: object | null) => ({ state: 'damaged' as const, leaf: 3, others: [proven(base)] })
    expect(await keys(again, found(null))).toEqual(['ck.a.1.reading'])
    expect(await keys(again, found({ archiveId: 'a', snapshotId: '1' }))).toEqual(['ck.damage', 'ck.a.1.reading'])
    // what it was built upon is gone
    expect(await keys(again, found({ archiveId: 'c', snapshotId: '9' }))).toEqual(['ck.damage', 'ck.a.1.reading'])
  })

  it('keeps what an earlier one found of the source', async () => {
    const reading = await readingOf(stored, { state: 'damaged', leaf: 3, isMissed: true })
    expect(reading).toMatchObject({ isMissed: true, since: 'd1' })
    const again = { ...stored, reading }
    expect(await readingOf(again, { state: 'damaged', leaf: 1 })).toMatchObject({ isMissed: true, leaf: 1 })
  })
})

describe('a piece of a tree that no replica has whole', () => {
  const unreadable = asking(() => {
    throw failed(5)
  })

  it('is damage of the copy', async () => {
    await expect(readPiece(unreadable, 'a.1', 0)).rejects.toMatchObject({ code: 'CK-TREE-DAMAGED' })
    expect(await isTreeWhole(unreadable, stored)).toBe(false)
  })

  it('is none when the cluster does not answer', async () => {
    const away = asking(() => {
      throw failed(110)
    })
    await expect(isTreeWhole(away, stored)).rejects.toMatchObject({ code: expect.stringMatching(/AWAY$/) as string })
  })
})
