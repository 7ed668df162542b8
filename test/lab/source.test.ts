/** `source/rbd` on a real Ceph cluster: what is hashed is compared with what `rbd export` gives. */
import { execFile, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { hashBytes } from '../../source/hash-bytes.js'
import { createHashTree } from '../../source/hash-tree.js'
import { openSources } from '../../source/open-sources.js'
import { sourcesOptions } from '../../source/options.js'
import type { BytesRef, OpenBytes, Source } from '../../source/source.js'
import { labEnvironment } from '../helpers/lab.js'
import { naiveRoot } from '../source/naive-root.js'

const run = promisify(execFile)
const { cephConf, cephUser } = labEnvironment()
const conf = cephConf.prod
const mib = 1024 * 1024
/** Whatever is made here is named for it, and removed. */
const mark = `src-${randomUUID().slice(0, 8)}`
const poor = `client.${mark}-poor`
let scratch: string

async function rbd(...args: string[]): Promise<string> {
  return (await run('rbd', ['--conf', conf, '--id', 'admin', ...args], { maxBuffer: 16 * mib })).stdout
}

async function ceph(...args: string[]): Promise<void> {
  await run('ceph', ['--conf', conf, ...args])
}

/** Python with librbd, which the lab's Cinder brings: `image` is open for writing in the script. */
const pythonHead = `
import os, rados, rbd, sys
cluster = rados.Rados(conffile=sys.argv[1], rados_id="admin"); cluster.connect()
image = rbd.Image(cluster.open_ioctx(sys.argv[2]), sys.argv[3])
`
async function python(pool: string, image: string, script: string): Promise<void> {
  const end = '\nimage.flush(); image.close(); cluster.shutdown()'
  await run('/usr/bin/python3', ['-c', pythonHead + script + end, conf, pool, image])
}

async function writeRandom(image: string, offset: number, length: number, pool = 'volumes'): Promise<void> {
  const script = `for at in range(${offset}, ${offset + length}, ${mib}):
    image.write(os.urandom(min(${mib}, ${offset + length} - at)), at)`
  await python(pool, image, script)
}

async function exported(spec: string): Promise<Buffer> {
  const path = join(scratch, randomUUID())
  await rbd('export', '--no-progress', spec, path)
  const bytes = await readFile(path)
  await rm(path)
  return bytes
}

function sourceOf(user: string, keyring?: string): Source {
  const entry = { match: '*@ceph#*', kind: 'rbd', conf, user, pool: 'volumes', parents: ['images'] }
  const options = sourcesOptions.parse([keyring === undefined ? entry : { ...entry, keyring }])
  const source = openSources(options).find('lab@ceph#ceph')
  if (source === undefined) throw new Error('no source')
  return source
}

let images = 0
/** A new volume and its image's name. */
async function newVolume(size: string): Promise<{ ref: BytesRef; image: string }> {
  images += 1
  const volumeId = `${mark}-${images}`
  const image = `volume-${volumeId}`
  await rbd('create', '--size', size, `volumes/${image}`)
  return { ref: { volumeId, host: 'lab@ceph#ceph', nameId: null, snapshotId: null }, image }
}

async function snapshot({ ref, image }: { ref: BytesRef; image: string }, snapshotId = 'one'): Promise<BytesRef> {
  await rbd('snap', 'create', '--no-progress', `volumes/${image}@snapshot-${snapshotId}`)
  return { ...ref, snapshotId }
}

/** The same bytes, but something happens after the first run was taken; back-pressure keeps the rest unread. */
function afterFirstRun(bytes: OpenBytes, act: () => Promise<void>): OpenBytes {
  return {
    ...bytes,
    read: async function* (signal) {
      let first = true
      for await (const data of bytes.read(signal)) {
        yield data
        if (first) await act()
        first = false
      }
    },
  }
}

beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'cinderkeep-source-'))
  await ceph('auth', 'get-or-create', poor, 'mon', 'profile rbd', 'osd', 'allow rx pool=images', '-o', keyringOf(poor))
})

afterAll(async () => {
  // clones before their parents
  for (const pool of ['volumes', 'images']) {
    const names = (JSON.parse(await rbd('ls', '--format', 'json', pool)) as string[]).filter((name) =>
      name.includes(mark),
    )
    for (const name of names) {
      const snapshots = JSON.parse(await rbd('snap', 'ls', '--format', 'json', `${pool}/${name}`)) as {
        name: string
        protected: string
      }[]
      for (const { name: snap, protected: held } of snapshots) {
        if (held === 'true') await rbd('snap', 'unprotect', `${pool}/${name}@${snap}`)
        await rbd('snap', 'rm', '--no-progress', `${pool}/${name}@${snap}`)
      }
      await rbd('rm', '--no-progress', `${pool}/${name}`)
    }
  }
  await ceph('auth', 'rm', poor)
  await rm(scratch, { recursive: true })
})

function keyringOf(user: string): string {
  return join(scratch, `${user}.keyring`)
}

describe('source rbd', () => {
  it('hashes a snapshot as rbd export gives it, whatever is written afterwards, with the rights of a reader', async () => {
    const volume = await newVolume('64M')
    await writeRandom(volume.image, 0, 5 * mib + 1234)
    await writeRandom(volume.image, 30 * mib + 512, 9 * mib)
    const ref = await snapshot(volume)
    await writeRandom(volume.image, 2 * mib, 40 * mib)

    const bytes = await sourceOf(cephUser).open(ref)
    expect(bytes.sizeBytes).toBe(64 * mib)
    const hashed = await hashBytes(bytes)
    const expected = await exported(`volumes/${volume.image}@snapshot-one`)
    expect(hashed.rootHash).toBe(naiveRoot(expected))
    expect(hashed.readBytes).toBeGreaterThanOrEqual(14 * mib)
    expect(hashed.readBytes).toBeLessThan(30 * mib)

    const head = await hashBytes(await sourceOf(cephUser).open(volume.ref))
    expect(head.rootHash).toBe(naiveRoot(await exported(`volumes/${volume.image}`)))
    expect(head.rootHash).not.toBe(hashed.rootHash)
  })

  it('includes what a clone has from its parent', async () => {
    const parent = `${mark}-parent`
    await rbd('create', '--size', '32M', `images/${parent}`)
    await writeRandom(parent, 0, 20 * mib, 'images')
    await rbd('snap', 'create', '--no-progress', `images/${parent}@base`)
    await rbd('snap', 'protect', `images/${parent}@base`)
    const volumeId = `${mark}-clone`
    const image = `volume-${volumeId}`
    await rbd('clone', `images/${parent}@base`, `volumes/${image}`)
    await writeRandom(image, 6 * mib, mib)
    await python('volumes', image, `image.discard(9 * ${mib}, 2 * ${mib})`)
    const ref = await snapshot({ image, ref: { volumeId, host: 'lab@ceph#ceph', nameId: null, snapshotId: null } })

    const bytes = await sourceOf(cephUser).open(ref)
    const hashed = await hashBytes(bytes)
    expect(hashed.rootHash).toBe(naiveRoot(await exported(`volumes/${image}@snapshot-one`)))
    expect(hashed.readBytes).toBeGreaterThanOrEqual(18 * mib)
    const extents = await bytes.extents()
    for await (const { offset, data } of bytes.read()) {
      const covered = extents.some(
        (extent) => extent.offset <= offset && offset + data.length <= extent.offset + extent.length,
      )
      expect(covered).toBe(true)
    }
  })

  it('reads a snapshot in the size that the volume had, after growing and after shrinking', async () => {
    const volume = await newVolume('24M')
    await writeRandom(volume.image, 20 * mib, 4 * mib)
    const small = await snapshot(volume, 'small')
    await rbd('resize', '--no-progress', '--size', '41M', `volumes/${volume.image}`)
    await writeRandom(volume.image, 38 * mib, 3 * mib)
    const large = await snapshot(volume, 'large')
    await rbd('resize', '--no-progress', '--allow-shrink', '--size', '10M', `volumes/${volume.image}`)

    const source = sourceOf(cephUser)
    for (const [ref, sizeBytes] of [
      [small, 24 * mib],
      [large, 41 * mib],
      [volume.ref, 10 * mib],
    ] as const) {
      const spec = `volumes/${volume.image}${ref.snapshotId === null ? '' : `@snapshot-${ref.snapshotId}`}`
      expect(await hashBytes(await source.open(ref))).toMatchObject({
        sizeBytes,
        rootHash: naiveRoot(await exported(spec)),
      })
    }
  })

  it('reads a striped image, and one whose size is no multiple of a sector', async () => {
    const stripe = ['--stripe-unit', '65536', '--stripe-count', '3']
    const volumeId = `${mark}-striped`
    await rbd('create', '--size', '40M', ...stripe, `volumes/volume-${volumeId}`)
    await writeRandom(`volume-${volumeId}`, 100_000, 30 * mib)
    const striped = await sourceOf(cephUser).open({ volumeId, host: null, nameId: null, snapshotId: null })
    expect((await hashBytes(striped)).rootHash).toBe(naiveRoot(await exported(`volumes/volume-${volumeId}`)))

    const odd = await newVolume('9000001B')
    await writeRandom(odd.image, 8_900_000, 100_001)
    expect(await hashBytes(await sourceOf(cephUser).open(odd.ref))).toMatchObject({
      sizeBytes: 9_000_001,
      rootHash: naiveRoot(await exported(`volumes/${odd.image}`)),
    })
  })

  it('notices a snapshot that is deleted while it is read, where the stream itself ends well', async () => {
    const volume = await newVolume('256M')
    await writeRandom(volume.image, 0, 256 * mib)
    const ref = await snapshot(volume)
    const bytes = await sourceOf(cephUser).open(ref)
    const before = (await hashBytes(bytes)).rootHash
    const torn = afterFirstRun(bytes, async () => {
      await rbd('snap', 'rm', '--no-progress', `volumes/${volume.image}@snapshot-one`)
      await writeRandom(volume.image, 0, 256 * mib)
    })

    const tree = createHashTree(bytes.sizeBytes)
    let readBytes = 0
    for await (const data of torn.read()) {
      tree.add(data)
      readBytes += data.data.length
    }
    // a whole stream of old and new bytes: nothing but `confirm` tells
    expect(readBytes).toBe(256 * mib)
    expect(tree.finish()).not.toBe(before)
    await expect(bytes.confirm()).rejects.toMatchObject({ code: 'CK-CAPTURE-LOST' })
  })

  it('gives no hash when the snapshot was replaced by another of the same name in mid-read', async () => {
    const volume = await newVolume('128M')
    await writeRandom(volume.image, 0, 128 * mib)
    const bytes = await sourceOf(cephUser).open(await snapshot(volume))
    const replaced = afterFirstRun(bytes, async () => {
      await rbd('snap', 'rm', '--no-progress', `volumes/${volume.image}@snapshot-one`)
      await snapshot(volume)
    })
    await expect(hashBytes(replaced)).rejects.toMatchObject({ code: 'CK-CAPTURE-LOST' })
  })

  it('calls a capture lost when the snapshot goes before the read, and tells a missing image from it', async () => {
    const volume = await newVolume('8M')
    const source = sourceOf(cephUser)
    await expect(source.open({ ...volume.ref, snapshotId: 'none' })).rejects.toMatchObject({ code: 'CK-CAPTURE-LOST' })
    const missing = { ...volume.ref, volumeId: `${mark}-none` }
    await expect(source.open(missing)).rejects.toMatchObject({ code: 'CK-SOURCE-IMAGE-MISSING' })
    await expect(source.open({ ...missing, snapshotId: 'none' })).rejects.toMatchObject({
      code: 'CK-SOURCE-IMAGE-MISSING',
    })
    await expect(source.watchers(missing)).rejects.toMatchObject({ code: 'CK-SOURCE-IMAGE-MISSING' })

    const bytes = await source.open(await snapshot(volume))
    await rbd('snap', 'rm', '--no-progress', `volumes/${volume.image}@snapshot-one`)
    await expect(hashBytes(bytes)).rejects.toMatchObject({ code: 'CK-CAPTURE-LOST' })
    await expect(bytes.extents()).rejects.toMatchObject({ code: 'CK-CAPTURE-LOST' })
  })

  it('finds the image by its name id, as after a migration', async () => {
    const volume = await newVolume('8M')
    await writeRandom(volume.image, 0, mib)
    const ref = { ...volume.ref, volumeId: randomUUID(), nameId: volume.ref.volumeId }
    const hashed = await hashBytes(await sourceOf(cephUser).open(ref))
    expect(hashed.rootHash).toBe(naiveRoot(await exported(`volumes/${volume.image}`)))
  })

  it('names who has the image open, and says unknown to a user without the right', async () => {
    const volume = await newVolume('8M')
    const source = sourceOf(cephUser)
    expect(await source.watchers(volume.ref)).toEqual([])
    const script = `${pythonHead}\nprint("open", flush=True); sys.stdin.read(); image.close(); cluster.shutdown()`
    const guest = spawn('/usr/bin/python3', ['-c', script, conf, 'volumes', volume.image], {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    try {
      await once(guest.stdout, 'data')
      expect(await source.watchers(volume.ref)).toEqual([expect.stringMatching(/^client\.\d+ 127\.0\.0\.1:/)])
    } finally {
      guest.stdin.end()
      await once(guest, 'close')
    }
    expect(await source.watchers(volume.ref)).toEqual([])
    const denied = sourceOf(poor.slice('client.'.length), keyringOf(poor))
    expect(await denied.watchers(volume.ref)).toBe('unknown')
    await expect(denied.open(volume.ref)).rejects.toMatchObject({ code: 'CK-SOURCE-DENIED' })
  })

  it('throws the reason of an abort in mid-read', async () => {
    const volume = await newVolume('128M')
    await writeRandom(volume.image, 0, 128 * mib)
    const bytes = await sourceOf(cephUser).open(volume.ref)
    const aborting = new AbortController()
    const stopped = afterFirstRun(bytes, async () => {
      aborting.abort(new Error('asked to stop'))
    })
    await expect(hashBytes(stopped, { signal: aborting.signal })).rejects.toThrow('asked to stop')
  })
})
