/** Everything that the process with librbd does, on real images; compared with what Ceph's own programs say. */
import { execFile, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { isDeepStrictEqual, promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ActName, Answer, Given } from '../../librbd/acts.js'
import { withHands } from '../../librbd/hands.js'
import type { ImageAt, Place } from '../../librbd/places.js'
import { rbdWorkshop, type RbdWorkshop } from '../helpers/rbd-workshop.js'

const mib = 1024 * 1024
const run = promisify(execFile)
/** layering, exclusive-lock, object-map, fast-diff, deep-flatten */
const features = 61
let shop: RbdWorkshop
let place: Place

beforeAll(async () => {
  shop = await rbdWorkshop('acts')
  place = { conf: shop.conf, user: 'admin', keyring: null, pool: 'volumes' }
})

afterAll(async () => {
  await shop.clean()
})

type Do = <Name extends ActName>(act: Name, given: Given<Name>) => Promise<Answer<Name>>

/** In a process of its own; no act may take for ever. */
async function acting<T>(act: (doIt: Do) => Promise<T>): Promise<T> {
  return withHands(undefined, async (hands) => act(async (name, given) => hands.do(name, given, 300_000)))
}

async function json<T>(...args: string[]): Promise<T> {
  return JSON.parse(await shop.rbd('--format', 'json', ...args)) as T
}

/** Python with librbd; what it prints. `image` is open in the script, and `io` its pool. */
async function python(image: string, script: string, ...args: string[]): Promise<string> {
  const head = `
import json, rados, rbd, sys
cluster = rados.Rados(conffile=sys.argv[1], rados_id='admin'); cluster.connect()
io = cluster.open_ioctx('volumes'); image = rbd.Image(io, sys.argv[2])
${script}
image.close(); io.close(); cluster.shutdown()
`
  const { stdout } = await run('/usr/bin/python3', ['-c', head, shop.conf, image, ...args], { maxBuffer: 64 * mib })
  return stdout
}

describe('images', () => {
  it('are made, listed, measured, resized and removed', async () => {
    const image = `volume-${shop.mark}-made`
    const at = { place, image }
    await acting(async (doIt) => {
      await doIt('createImage', { ...at, size: 9_000_001, features })
      const info = await json<Record<string, unknown>>('info', `volumes/${image}`)
      expect(info).toMatchObject({
        size: 9_000_001,
        order: 22,
        features: ['layering', 'exclusive-lock', 'object-map', 'fast-diff', 'deep-flatten'],
      })
      expect(await doIt('imageInfo', at)).toEqual({ id: info['id'], size: 9_000_001 })
      await expect(doIt('createImage', { ...at, size: mib, features })).rejects.toMatchObject({ exitCode: 17 })
      // tests beside this one make and remove images
      const names = await doIt('images', place)
      expect(names).toContain(image)
      expect(new Set(names).size).toBe(names.length)
      for (const size of [64 * mib, 1_000_000]) {
        await doIt('resize', { at, size })
        expect(await json('info', `volumes/${image}`)).toMatchObject({ size })
        expect(await doIt('imageInfo', at)).toMatchObject({ size })
      }
      await doIt('removeImage', at)
      expect(await doIt('images', place)).not.toContain(image)
    })
    expect(await json<string[]>('ls', 'volumes')).not.toContain(image)
  })

  it('stay while they have RBD snapshots', async () => {
    const image = await shop.create('8M')
    const at = { place, image }
    await acting(async (doIt) => {
      await doIt('createSnapshot', { at, name: 'one' })
      await expect(doIt('removeImage', at)).rejects.toMatchObject({ exitCode: 39 })
      expect(await doIt('images', place)).toContain(image)
    })
  })

  it('are open as what they were opened as', async () => {
    const image = await shop.create('9000001B')
    await shop.rbd('snap', 'create', '--no-progress', `volumes/${image}@one`)
    await shop.rbd('resize', '--no-progress', '--size', '16M', `volumes/${image}`)
    const [{ id } = { id: 0 }] = await json<{ id: number }[]>('snap', 'ls', `volumes/${image}`)
    const info = await json<{ id: string }>('info', `volumes/${image}`)
    await acting(async (doIt) => {
      const read = await doIt('openImage', { place, image, snapshot: 'one', write: false })
      expect(read).toMatchObject({ size: 9_000_001, identity: String(id), flags: 0 })
      const write = await doIt('openImage', { place, image, snapshot: null, write: true })
      expect(write).toMatchObject({ size: 16 * mib, identity: info.id, flags: 0 })
      expect(write.open).not.toBe(read.open)
      await expect(doIt('resize', { at: { open: read.open }, size: mib })).rejects.toMatchObject({ exitCode: 30 })
      await doIt('closeImage', read)
      await expect(doIt('imageInfo', { open: read.open })).rejects.toMatchObject({ exitCode: null })
      expect(await doIt('imageInfo', { open: write.open })).toEqual({ id: info.id, size: 16 * mib })
    })
  })

  it('tell by their flags that their object map is not to be trusted', async () => {
    const image = await shop.create('16M')
    const at = { place, image, snapshot: null, write: false }
    // as a map of which a client was not sure
    await python(
      image,
      `image.update_features(rbd.RBD_FEATURE_FAST_DIFF | rbd.RBD_FEATURE_OBJECT_MAP, False)
image.update_features(rbd.RBD_FEATURE_FAST_DIFF | rbd.RBD_FEATURE_OBJECT_MAP, True)`,
    )
    const { flags } = await json<{ flags: string[] }>('info', `volumes/${image}`)
    expect(flags).toContain('object map invalid')
    await acting(async (doIt) => {
      expect((await doIt('openImage', at)).flags).not.toBe(0)
      await shop.rbd('object-map', 'rebuild', '--no-progress', `volumes/${image}`)
      expect((await doIt('openImage', at)).flags).toBe(0)
    })
  })
})

describe('RBD snapshots', () => {
  it('are made, listed, rolled back to and removed, of an image that is open and of one that is not', async () => {
    const image = await shop.create('24M')
    await shop.change(image, [['write', 100, 9 * mib]])
    await acting(async (doIt) => {
      const { open } = await doIt('openImage', { place, image, snapshot: null, write: true })
      for (const [name, at] of [
        ['one', { place, image }],
        ['two', { open }],
      ] as [string, ImageAt][]) {
        await doIt('createSnapshot', { at, name })
        const found = await doIt('snapshots', at)
        expect(found.at(-1)).toMatchObject({ name, size: 24 * mib })
        expect(found).toEqual(
          (await json<{ id: number; name: string; size: number }[]>('snap', 'ls', `volumes/${image}`)).map(
            ({ id, name: its, size }) => ({ id, name: its, size, isGoing: false }),
          ),
        )
        await expect(doIt('createSnapshot', { at, name })).rejects.toMatchObject({ exitCode: 17 })
      }
      const before = await shop.exported(`volumes/${image}@one`)
      await doIt('closeImage', { open })
      await shop.change(image, [
        ['write', mib, 2 * mib],
        ['resize', 30 * mib],
      ])
      await doIt('rollback', { at: { place, image }, name: 'one' })
      expect((await shop.exported(`volumes/${image}`)).equals(before)).toBe(true)
      await expect(doIt('rollback', { at: { place, image }, name: 'none' })).rejects.toMatchObject({ exitCode: 2 })
      const [one] = await doIt('snapshots', { place, image })
      await doIt('removeSnapshot', { at: { place, image }, id: one?.id ?? 0 })
      expect((await doIt('snapshots', { place, image })).map(({ name }) => name)).toEqual(['two'])
    })
  })

  it('are all listed, however many there are', async () => {
    const image = await shop.create('8M')
    const at = { place, image }
    await acting(async (doIt) => {
      expect(await doIt('snapshots', at)).toEqual([])
      await python(image, `for at in range(63): image.create_snap(f'snap-é-{at}')`)
      for (const count of [63, 64, 65]) {
        const more = count - (await doIt('snapshots', at)).length
        for (let made = 0; made < more; made += 1) await doIt('createSnapshot', { at, name: `of-${count}-${made}` })
        const found = await doIt('snapshots', at)
        expect(found).toHaveLength(count)
        expect(found).toEqual(
          JSON.parse(
            await python(
              image,
              `print(json.dumps([{'id': one['id'], 'name': one['name'], 'size': one['size'], 'isGoing': False} for one in image.list_snaps()]))`,
            ),
          ),
        )
      }
    })
  })
})

describe('metadata', () => {
  /** By `rbd`: Python's own list leaves out values of no bytes, and takes the next one for them. */
  async function told(image: string): Promise<Map<string, string>> {
    return new Map(Object.entries(await json<Record<string, string>>('image-meta', 'list', `volumes/${image}`)))
  }

  it('is written, replaced, listed and removed', async () => {
    const image = await shop.create('8M')
    const at = { place, image }
    await acting(async (doIt) => {
      expect(await doIt('metadata', at)).toEqual(new Map())
      const value = `é "quoted" \\ \n ${'x'.repeat(20_000)}`
      await doIt('setMeta', { at, key: 'ck.one', value: 'first' })
      await doIt('setMeta', { at, key: 'ck.one', value })
      await doIt('setMeta', { at, key: 'ck.empty', value: '' })
      const wanted = new Map([
        ['ck.empty', ''],
        ['ck.one', value],
      ])
      expect(await doIt('metadata', at)).toEqual(wanted)
      expect(await told(image)).toEqual(wanted)
      await doIt('removeMeta', { at, key: 'ck.one' })
      expect([...(await doIt('metadata', at)).keys()]).toEqual(['ck.empty'])
      // by whom that is tolerated: targets/ceph/image-meta.ts
      await doIt('removeMeta', { at, key: 'ck.one' }).catch((error: unknown) => {
        expect(error).toMatchObject({ exitCode: 2 })
      })
    })
  })

  it('is told whole, however many entries there are and however long', async () => {
    const image = await shop.create('8M')
    const at = { place, image }
    await acting(async (doIt) => {
      const { open } = await doIt('openImage', { ...at, snapshot: null, write: true })
      const wanted = new Map<string, string>()
      async function set(key: string, value: string): Promise<void> {
        wanted.set(key, value)
        await doIt('setMeta', { at: { open }, key, value })
      }
      // more keys than librbd asks for at once
      for (let entry = 0; entry < 150; entry += 1) await set(`ck.${String(entry).padStart(4, '0')}`, `value ${entry}`)
      expect(isDeepStrictEqual(await doIt('metadata', at), wanted)).toBe(true)
      // values beyond the first memory, then keys
      for (let entry = 0; entry < 14; entry += 1)
        await set(`ck.long.${String(entry).padStart(2, '0')}`, randomBytes(50_000).toString('hex'))
      expect(isDeepStrictEqual(await doIt('metadata', at), wanted)).toBe(true)
      for (let entry = 0; entry < 40; entry += 1)
        await set(`ck.wide.${String(entry).padStart(2, '0')}.${'k'.repeat(2000)}`, '')
      expect(isDeepStrictEqual(await doIt('metadata', at), wanted)).toBe(true)
      expect(isDeepStrictEqual(await doIt('metadata', { open }), wanted)).toBe(true)
      expect(isDeepStrictEqual(await told(image), wanted)).toBe(true)
    })
  })
})

describe('whoever has an image open', () => {
  it('is named, with its lock, and loses that', async () => {
    const image = await shop.create('8M')
    const at = { place, image }
    await acting(async (doIt) => {
      expect(await doIt('watchers', at)).toEqual([])
      expect(await doIt('lockers', at)).toEqual([])
      const script = `
import rados, rbd, sys, time
cluster = rados.Rados(conffile=sys.argv[1], rados_id='admin'); cluster.connect()
image = rbd.Image(cluster.open_ioctx('volumes'), sys.argv[2]); image.write(b'x', 0); image.flush()
print('open', flush=True); time.sleep(3600)`
      const guest = spawn('/usr/bin/python3', ['-c', script, shop.conf, image], {
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      try {
        await once(guest.stdout, 'data')
        const status = await json<{ watchers: { address: string }[] }>('status', `volumes/${image}`)
        expect(status.watchers).toHaveLength(1)
        expect(await doIt('watchers', at)).toEqual(status.watchers.map(({ address }) => address))
        const locks = await json<{ id: string; locker: string; address: string }[]>('lock', 'ls', `volumes/${image}`)
        expect(locks).toHaveLength(1)
        const found = await doIt('lockers', at)
        expect(found).toEqual(locks.map(({ id, locker, address }) => ({ client: locker, cookie: id, address })))
        const [held = { client: '', cookie: '' }] = found
        const wrong = doIt('breakLock', { at, client: held.client, cookie: 'another' })
        await expect(wrong).rejects.toMatchObject({ exitCode: 2 })
        await doIt('breakLock', { at, client: held.client, cookie: held.cookie })
        expect(await doIt('lockers', at)).toEqual([])
        expect(await json('lock', 'ls', `volumes/${image}`)).toEqual([])
        // whoever lost the lock is shut out of the cluster with it
        const [address = ''] = status.watchers.map((one) => one.address)
        expect(await shop.ceph('osd', 'blocklist', 'ls')).toContain(address)
        await shop.ceph('osd', 'blocklist', 'rm', address)
      } finally {
        guest.kill('SIGKILL')
        await once(guest, 'close')
      }
    })
  })

  it('is shut out of the cluster by its address', async () => {
    const image = await shop.create('8M')
    const at = { place, image }
    await acting(async (doIt) => {
      await acting(async (doOther) => {
        await doOther('openImage', { ...at, snapshot: null, write: true })
        const [address = ''] = await doIt('watchers', at)
        await doIt('blocklist', { place, address, seconds: 3600 })
        expect(await shop.ceph('osd', 'blocklist', 'ls')).toContain(address)
        await expect(doOther('setMeta', { at, key: 'a', value: 'b' })).rejects.toMatchObject({ exitCode: 108 })
        await shop.ceph('osd', 'blocklist', 'rm', address)
      })
      await doIt('setMeta', { at, key: 'a', value: 'b' })
    })
  })
})

describe('objects and the cluster', () => {
  it('are put, got, replaced and removed; the cluster has an id', async () => {
    const name = `ck-tree.${shop.mark}.0`
    await acting(async (doIt) => {
      expect(await doIt('fsid', place)).toBe((await shop.ceph('fsid')).trim())
      expect(await doIt('getObject', { place, name })).toBeNull()
      for (const length of [5 * mib, 100, 0]) {
        const bytes = randomBytes(length)
        await doIt('putObject', { place, name, bytes })
        const got = await doIt('getObject', { place, name })
        expect(got === null ? null : Buffer.from(got).equals(bytes)).toBe(true)
      }
      await doIt('removeObject', { place, name })
      await doIt('removeObject', { place, name })
      expect(await doIt('getObject', { place, name })).toBeNull()
      await expect(doIt('getObject', { place: { ...place, pool: 'none' }, name })).rejects.toMatchObject({
        exitCode: 2,
      })
    })
  })
})
