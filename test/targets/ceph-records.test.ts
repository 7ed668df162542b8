/** What lies beside the bytes of copies on Ceph: names, seals, records. */
import { randomBytes, randomUUID } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { canonicalJson } from '../../targets/ceph/canonical-json.js'
import { isProof } from '../../targets/ceph/evidence.js'
import { understandImage, type ImageState } from '../../targets/ceph/image-state.js'
import type { Manifest } from '../../targets/ceph/manifest.js'
import {
  damageMeta,
  imageName,
  keyOf,
  manifestMeta,
  markMeta,
  missedMeta,
  readingMeta,
  snapshotNameOf,
  writerMeta,
} from '../../targets/ceph/names.js'
import { openSeals, type Seals } from '../../targets/ceph/seal.js'
import type { CephSetting } from '../../targets/ceph/setting.js'
import { toCopy } from '../../targets/ceph/to-copy.js'

let dir: string
let seals: Seals
let others: Seals
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'ck-seal-'))
  seals = await sealsOf('a', randomBytes(32))
  others = await sealsOf('b', randomBytes(64))
})
afterAll(() => rm(dir, { recursive: true }))

async function sealsOf(name: string, key: Uint8Array): Promise<Seals> {
  await writeFile(join(dir, name), key)
  return openSeals(join(dir, name))
}

const volumeId = randomUUID()
const image = imageName({ volumeId, projectId: 'abcdef0123456789abcdef0123456789' })
const manifest: Manifest = {
  format: 1,
  installation: randomUUID(),
  target: 'second',
  point: '2026-11-23T02:00:00Z-7f3a91c2',
  archiveId: randomUUID(),
  archive: 'archive/x',
  slot: 'manual:x',
  group: null,
  capturedAt: '2026-11-23T02:00:00.000Z',
  consistency: 'detached',
  watchers: 'none',
  sizeBytes: 8,
  maker: 'rbd',
  snapshotId: '17',
  snapshotName: 'backup.x.snap.1',
  volume: {
    volumeId,
    host: 'a@ceph#ceph',
    nameId: null,
    name: 'dätä 💾',
    description: null,
    sizeGib: 1,
    projectId: 'p',
    userId: null,
    type: null,
    availabilityZone: null,
    bootable: false,
    multiattach: false,
    encrypted: false,
    encryptionKeyId: null,
    metadata: {},
    imageMetadata: {},
    attachments: [],
  },
  image,
  copySnapshot: { name: 'backup.x.snap.1.abc', id: 4 },
  hashedBytes: 8,
  rootHash: 'sha256-4m:00',
  pieces: 1,
  pieceLeaves: 131_072,
  read: 'whole',
  wholeObject: false,
  base: null,
  round: 0,
  lineage: 'p',
  compare: 32,
  comparedAt: ['2026-11-23T02:00:00.000Z'],
  readBytes: 8,
  writtenBytes: 8,
}
const key = keyOf(manifest)
const snapshots = [{ id: 4, name: 'backup.x.snap.1.abc', size: 8 }]
const mark = {
  state: 'verified',
  rootHash: manifest.rootHash,
  verifiedAt: '2026-11-23T03:00:00.000Z',
  reason: null,
  copySnapshotId: 4,
}

function stateOf(entries: Record<string, string>, there = snapshots) {
  return understandImage(
    seals,
    image,
    new Map(Object.entries(entries)),
    there.map((one) => ({ ...one, isGoing: false })),
  )
}

describe('a sealed record', () => {
  it('is read as it was written, in whatever order its keys came, also a long one', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (body) => {
        const opened = seals.open('manifest', image, seals.seal('manifest', image, body))
        expect(opened).toEqual({ body: JSON.parse(JSON.stringify(body)) as unknown })
      }),
    )
    const long = { text: 'x'.repeat(300_000) }
    const sealed = seals.seal('manifest', image, long)
    expect(sealed.length).toBeLessThan(100_000)
    expect(seals.open('manifest', image, sealed)).toEqual({ body: long })
    expect(canonicalJson({ b: 1, a: 'ä' })).toBe(canonicalJson({ a: 'ä', b: 1 }))
  })

  it('is refused once any character of it is another one', () => {
    const text = seals.seal('manifest', image, manifest)
    fc.assert(
      fc.property(fc.nat(text.length - 1), fc.constantFrom('0', '1', 'x', '"', '}', ' '), (at, sign) => {
        const changed = text.slice(0, at) + sign + text.slice(at + 1)
        if (changed !== text) expect(seals.open('manifest', image, changed)).toHaveProperty('unreadable')
      }),
    )
    for (const cut of ['', text.slice(0, -1), `gz:${text}`]) {
      expect(seals.open('manifest', image, cut)).toHaveProperty('unreadable')
    }
  })

  it('is refused by another key, as another kind, and on another image', () => {
    const text = seals.seal('manifest', image, manifest)
    expect(others.open('manifest', image, text)).toHaveProperty('unreadable')
    expect(seals.open('mark', image, text)).toHaveProperty('unreadable')
    expect(seals.open('manifest', `${image}x`, text)).toHaveProperty('unreadable')
  })

  it('needs a key of 32 bytes', async () => {
    await expect(sealsOf('short', randomBytes(31))).rejects.toMatchObject({ code: 'CK-MAC-KEY' })
    await expect(openSeals(join(dir, 'none'))).rejects.toMatchObject({ code: 'CK-MAC-KEY' })
  })
})

describe('an image', () => {
  const good = () => ({ [manifestMeta(key)]: seals.seal('manifest', image, manifest) })
  const sealedMark = (body: unknown) => seals.seal('mark', `${image}@${key}`, body)

  it('holds the copies whose manifests can be trusted, unverified without a mark', () => {
    const { copies, unreadable } = stateOf(good())
    expect(unreadable).toEqual([])
    expect(copies).toMatchObject([{ key, isThere: true, manifest, mark: { state: 'unverified' } }])
    expect(stateOf({ ...good(), [markMeta(key)]: sealedMark(mark) }).copies[0]?.mark).toEqual(mark)
  })

  it('has no verified copy by a mark that is forged, of another copy, or of another RBD snapshot', () => {
    for (const text of [
      others.seal('mark', `${image}@${key}`, mark),
      seals.seal('mark', `${image}@other`, mark),
      JSON.stringify({ body: mark, mac: '0'.repeat(64) }),
      sealedMark({ ...mark, copySnapshotId: 5 }),
    ]) {
      expect(stateOf({ ...good(), [markMeta(key)]: text }).copies[0]?.mark.state).toBe('unverified')
    }
  })

  it('tells manifests that it cannot trust apart, one under another name too', () => {
    const forged = others.seal('manifest', image, manifest)
    expect(stateOf({ [manifestMeta(key)]: forged })).toMatchObject({ copies: [], unreadable: [{ key }] })
    const twice = { ...good(), [manifestMeta('other.1')]: good()[manifestMeta(key)] ?? '' }
    expect(stateOf(twice)).toMatchObject({ copies: [{ key }], unreadable: [{ key: 'other.1' }] })
  })

  it('misses the copy whose RBD snapshot is gone, or was made anew', () => {
    expect(stateOf(good(), []).copies[0]?.isThere).toBe(false)
    expect(stateOf(good(), [{ ...(snapshots[0] ?? { name: '', size: 0 }), id: 9 }]).copies[0]?.isThere).toBe(false)
  })

  describe('of which a copy was found damaged', () => {
    const reading = { state: 'verified', since: 'd2', isMissed: false, leaf: null, copySnapshotId: 4 }
    const sealedReading = (body: unknown) => seals.seal('reading', `${image}@${key}`, body)
    const found = () => ({ [damageMeta]: seals.seal('damage', image, { id: 'd2', at: mark.verifiedAt, point: 'p' }) })
    const verified = () => ({ ...good(), [markMeta(key)]: sealedMark(mark) })
    const isProven = (state: ImageState) => state.copies.map((one) => isProof(state, one))

    it('has a copy that proves something if its reading began after that', () => {
      expect(isProven(stateOf(verified()))).toEqual([true])
      const readings: [unknown, boolean][] = [
        [reading, true],
        [{ ...reading, since: null }, false],
        [{ ...reading, since: 'd1' }, false],
        [{ ...reading, state: 'damaged' }, false],
        [{ ...reading, copySnapshotId: 5 }, false],
      ]
      for (const [body, is] of readings) {
        expect(isProven(stateOf({ ...verified(), ...found(), [readingMeta(key)]: sealedReading(body) }))).toEqual([is])
      }
      expect(isProven(stateOf({ ...verified(), ...found() }))).toEqual([false])
    })

    it('has none by a mark that is missing, a reading that is forged, or damage that cannot be read', () => {
      const its = { [readingMeta(key)]: sealedReading(reading) }
      expect(isProven(stateOf({ ...good(), ...found(), ...its }))).toEqual([false])
      expect(isProven(stateOf({ ...verified(), ...found(), ...its }, []))).toEqual([false])
      const forged = { [readingMeta(key)]: others.seal('reading', `${image}@${key}`, reading) }
      expect(isProven(stateOf({ ...verified(), ...found(), ...forged }))).toEqual([false])
      expect(isProven(stateOf({ ...verified(), ...its, [damageMeta]: 'x' }))).toEqual([false])
    })
  })

  describe('of which a block was missed', () => {
    const hour = (at: number): string => `2026-11-23T0${at}:00:00.000Z`
    /** One that was read whole at 1, and copies upon it at 2, 3 and 4; another lineage at 5. */
    const copies = () =>
      Object.fromEntries(
        [1, 2, 3, 4, 5].map((at) => {
          const read = at === 1 || at === 5 ? ('whole' as const) : ('changes' as const)
          const of = { capturedAt: hour(at), archiveId: randomUUID(), read, lineage: at === 5 ? 'other' : 'p' }
          const its = { ...manifest, ...of }
          return [manifestMeta(keyOf(its)), seals.seal('manifest', image, its)]
        }),
      )
    const missed = (since: number) => [{ lineage: 'p', since: hour(since), at: hour(4), reason: 'a trial' }]
    const suspectIn = (entries: Record<string, string>) =>
      stateOf(entries).copies.flatMap((one) =>
        one.missed === null ? [] : [Number(one.manifest.capturedAt.slice(12, 13))],
      )
    const record = (body: unknown) => ({ [missedMeta]: seals.seal('missed', image, body) })

    it('has suspect copies: those of that lineage that were captured since it may have been compared', () => {
      expect(suspectIn(copies())).toEqual([])
      expect(suspectIn({ ...copies(), ...record(missed(1)) })).toEqual([2, 3, 4])
      expect(suspectIn({ ...copies(), ...record(missed(2)) })).toEqual([3, 4])
    })

    it('has none that proves anything, or is called verified, whatever was found of it alone', () => {
      const its = { ...manifest, read: 'changes' as const, capturedAt: hour(3) }
      const all = { [manifestMeta(key)]: seals.seal('manifest', image, its), [markMeta(key)]: sealedMark(mark) }
      const setting = { name: 'second', options: { pool: 'archives' } } as CephSetting
      const shown = (state: ImageState) =>
        state.copies.map((one) => [toCopy(setting, one).state, toCopy(setting, one).suspectSince, isProof(state, one)])
      expect(shown(stateOf(all))).toEqual([['verified', undefined, true]])
      expect(shown(stateOf({ ...all, ...record(missed(2)) }))).toEqual([['suspect', hour(4), false]])
      const damaged = { [markMeta(key)]: sealedMark({ ...mark, state: 'damaged' }) }
      expect(shown(stateOf({ ...all, ...damaged, ...record(missed(2)) }))).toEqual([['damaged', undefined, false]])
    })

    it('doubts all that was not read whole when the record cannot be read', () => {
      expect(suspectIn({ ...copies(), [missedMeta]: 'x' })).toEqual([2, 3, 4])
      expect(suspectIn({ ...copies(), [missedMeta]: others.seal('missed', image, missed(3)) })).toEqual([2, 3, 4])
    })
  })

  it('names its writer only by a record of ours', () => {
    const writer = { archiveId: manifest.archiveId, snapshotId: '17', token: 'ab', pieces: 1, part: null }
    expect(stateOf({ [writerMeta]: seals.seal('writer', image, writer) }).writer).toEqual(writer)
    expect(stateOf({ [writerMeta]: others.seal('writer', image, writer) }).writer).toBeNull()
  })
})

describe('names', () => {
  it('are the volume, and as much of its owner as tells one from the next', () => {
    expect(image).toBe(`ck-${volumeId}-abcdef01`)
    expect(imageName({ volumeId, projectId: 'ABCDEF01-2345-6789-abcd-ef0123456789' })).toBe(`ck-${volumeId}-abcdef01`)
    expect(imageName({ volumeId, projectId: 'default' })).toMatch(new RegExp(`^ck-${volumeId}-[0-9a-f]{8}$`))
  })

  it('take nothing that would reach another object', () => {
    for (const bad of ['a/b', 'a@b', '', '../x', 'a b', '-a']) {
      expect(() => imageName({ volumeId: bad, projectId: 'p' })).toThrow()
      expect(() => keyOf({ archiveId: bad, snapshotId: '1' })).toThrow()
      expect(() => snapshotNameOf({ snapshotName: bad }, 'ab')).toThrow()
    }
  })
})
