import { mkdir, mkdtemp, open, rename, rm, symlink, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { fileSource } from '../../source/file.js'
import { hashBytes } from '../../source/hash-bytes.js'
import type { BytesRef, OpenBytes } from '../../source/source.js'
import { naiveRoot, someBytes } from './naive-root.js'

const mib = 1024 * 1024
const volume: BytesRef = { volumeId: 'a', host: 'lab@files#files', nameId: null, snapshotId: null }
const snapshot: BytesRef = { ...volume, snapshotId: 's' }
let dir: string

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'cinderkeep-file-'))
})

afterEach(async () => {
  await rm(dir, { recursive: true })
})

async function openBytes(ref: BytesRef): Promise<OpenBytes> {
  return fileSource({ match: '*', kind: 'file', dir, zone: 'default' }).open(ref)
}

/** A volume of 9 MiB and a bit with data in its middle and at its end; the rest is a hole. */
async function writeSparse(name: string): Promise<Buffer> {
  const bytes = Buffer.alloc(9 * mib + 77)
  someBytes('middle', 100_000).copy(bytes, 3 * mib + 500)
  someBytes('end', 70).copy(bytes, bytes.length - 70)
  const file = await open(join(dir, name), 'w')
  await file.truncate(bytes.length)
  await file.write(bytes, 3 * mib + 500, 100_000, 3 * mib + 500)
  await file.write(bytes, bytes.length - 70, 70, bytes.length - 70)
  await file.close()
  return bytes
}

const lost = { code: 'CK-CAPTURE-LOST' }

describe('source file', () => {
  it('hashes a sparse file without counting its holes', async () => {
    const expected = await writeSparse('volume-a')
    const bytes = await openBytes(volume)
    expect(await hashBytes(bytes)).toEqual({
      rootHash: naiveRoot(expected),
      sizeBytes: expected.length,
      readBytes: mib + 77,
    })
    expect(await bytes.extents()).toEqual([
      { offset: 3 * mib, length: mib },
      { offset: 9 * mib, length: 77 },
    ])
  })

  it('reads a snapshot, a volume named by its name id, and an empty file', async () => {
    const expected = await writeSparse('snapshot-s')
    await writeFile(join(dir, 'volume-b'), '')
    expect((await hashBytes(await openBytes(snapshot))).rootHash).toBe(naiveRoot(expected))
    const empty = await openBytes({ ...volume, nameId: 'b' })
    expect(await hashBytes(empty)).toEqual({ rootHash: naiveRoot(Buffer.alloc(0)), sizeBytes: 0, readBytes: 0 })
  })

  it('calls a missing snapshot lost, and a missing volume or directory missing', async () => {
    await expect(openBytes(snapshot)).rejects.toMatchObject({ code: 'CK-SOURCE-IMAGE-MISSING' })
    await expect(openBytes(volume)).rejects.toMatchObject({ code: 'CK-SOURCE-IMAGE-MISSING' })
    await writeSparse('volume-a')
    await expect(openBytes(snapshot)).rejects.toMatchObject(lost)
  })

  it.each([
    ['deleted', async (path: string) => rm(path)],
    ['cut', async (path: string) => truncate(path, 2 * mib)],
    [
      'replaced by a file of the same bytes',
      async (path: string) => {
        await writeSparse('another')
        await rename(join(dir, 'another'), path)
      },
    ],
    [
      'written',
      async (path: string) => {
        const file = await open(path, 'r+')
        await file.write('other', 8 * mib)
        await file.utimes(new Date(), new Date(Date.UTC(2001, 1, 1)))
        await file.close()
      },
    ],
  ])('gives no hash of a file that is %s while it is read', async (_, act) => {
    await writeSparse('volume-a')
    const bytes = await openBytes(volume)
    const disturbed: OpenBytes = {
      ...bytes,
      read: async function* (signal) {
        for await (const run of bytes.read(signal)) {
          yield run
          if (run.offset === 3 * mib) await act(join(dir, 'volume-a'))
        }
      },
    }
    await expect(hashBytes(disturbed)).rejects.toMatchObject(lost)
  })

  it('gives no hash of a file that went between opening and reading', async () => {
    await writeSparse('volume-a')
    const bytes = await openBytes(volume)
    await rm(join(dir, 'volume-a'))
    await expect(hashBytes(bytes)).rejects.toMatchObject(lost)
  })

  it('reads not a byte of a file that was replaced before the reading', async () => {
    await writeSparse('volume-a')
    const bytes = await openBytes(volume)
    await writeSparse('another')
    await rename(join(dir, 'another'), join(dir, 'volume-a'))
    await expect(bytes.read()[Symbol.asyncIterator]().next()).rejects.toMatchObject(lost)
  })

  it('refuses what is neither a file nor a device, and ids that lead out of the directory', async () => {
    await mkdir(join(dir, 'volume-a'))
    await expect(openBytes(volume)).rejects.toMatchObject({ code: 'CK-SOURCE-FILE' })
    await symlink('/dev/zero', join(dir, 'volume-b'))
    await expect(openBytes({ ...volume, nameId: 'b' })).rejects.toMatchObject({ code: 'CK-SOURCE-FILE' })
    for (const id of ['../x', 'a/b', 'a@b', '', '.', '-a']) {
      await expect(openBytes({ ...volume, volumeId: id })).rejects.toMatchObject({ code: 'CK-SOURCE-ID' })
      await expect(openBytes({ ...volume, snapshotId: id })).rejects.toMatchObject({ code: 'CK-SOURCE-ID' })
    }
  })

  it('knows neither differences nor RBD snapshots', async () => {
    await writeSparse('volume-a')
    const bytes = await openBytes(volume)
    expect(bytes).not.toHaveProperty('readSince')
    const rbdSnapshot = { name: 'backup.a.snap.1', id: 4 }
    await expect(openBytes({ ...volume, rbdSnapshot })).rejects.toMatchObject({ code: 'CK-SOURCE-FILE' })
  })

  it('cannot tell who has a file open', async () => {
    const source = fileSource({ match: '*', kind: 'file', dir, zone: 'far' })
    expect(await source.watchers(volume)).toBe('unknown')
    expect(source).toMatchObject({ kind: 'file', zone: 'far' })
  })
})
