/** The short acts on an image. What is not there is an error as with the `rbd` command: ENOENT. */
import { constants } from 'node:os'
import { poolOf } from './connections.js'
import { check } from './failures.js'
import { aside, libraries, out, textAt, type Handle } from './libraries.js'
import { idOf, wholeNumber, withImage } from './open-images.js'
import type { ImageAt, Place } from './places.js'

/** An RBD snapshot, its image's size then. */
interface Snapshot {
  id: number
  /** Also of one whose removal was broken off: RBD gives it another one first. */
  name: string
  size: number
  /** Its removal was begun; nobody can read it any more. */
  isGoing: boolean
}

export async function imageInfo(at: ImageAt): Promise<{ id: string; size: number }> {
  return withImage(at, 'read', async (image) =>
    Promise.resolve({ id: idOf(image), size: wholeNumber('size', (into) => libraries().size(image, into)) }),
  )
}

export async function snapshots(at: ImageAt): Promise<Snapshot[]> {
  return withImage(at, 'read', listSnapshots)
}

/** `rbd_snap_info_t`: id, size and the address of the name, 8 bytes each. */
const snapshotBytes = 24

async function listSnapshots(image: Handle): Promise<Snapshot[]> {
  const calls = libraries()
  for (let most = 64; ; most *= 4) {
    const found = Buffer.alloc(most * snapshotBytes)
    const count = await aside(calls.listSnapshots, image, found, [most] as [number])
    if (count === -constants.errno.ERANGE) continue
    check(count, 'rbd: snap ls')
    if (count === 0) return []
    const all = Array.from({ length: count }, (_, index) => {
      const at = index * snapshotBytes
      const id = Number(found.readBigUInt64LE(at))
      const original = originalName(image, id)
      const name = original ?? textAt(found.readBigUInt64LE(at + 16))
      return { id, size: Number(found.readBigUInt64LE(at + 8)), name, isGoing: original !== null }
    })
    calls.endSnapshots(found)
    return all
  }
}

/** librbd.h: RBD_SNAP_NAMESPACE_TYPE_TRASH. Both calls ask what was read with the list. */
const trash = 2

/** null for one that is not in the image's trash. */
function originalName(image: Handle, id: number): string | null {
  const type = out<number>()
  check(libraries().namespaceOf(image, id, type), 'rbd: snap ls')
  if (type[0] !== trash) return null
  const name = Buffer.alloc(1024)
  check(libraries().originalName(image, id, name, name.length), 'rbd: snap ls')
  return name.toString('utf8', 0, name.indexOf(0))
}

export async function createSnapshot({ at, name }: { at: ImageAt; name: string }): Promise<void> {
  await withImage(at, 'write', async (image) => {
    check(await aside(libraries().createSnapshot, image, name), `rbd: failed to create snapshot ${name}`)
  })
}

/** By its id: one whose removal was broken off has another name. */
export async function removeSnapshot({ at, id }: { at: ImageAt; id: number }): Promise<void> {
  await withImage(at, 'write', async (image) => {
    check(await aside(libraries().removeSnapshot, image, id), `rbd: failed to remove snapshot ${id}`)
  })
}

/** What an image's metadata says, by key. */
export async function metadata(at: ImageAt): Promise<Map<string, string>> {
  return withImage(at, 'read', listMeta)
}

async function listMeta(image: Handle): Promise<Map<string, string>> {
  let [keyBytes, valueBytes] = [64 * 1024, 1024 * 1024]
  for (;;) {
    const [keys, values] = [Buffer.alloc(keyBytes), Buffer.alloc(valueBytes)]
    const [keysLength, valuesLength]: [[number], [number]] = [[keyBytes], [valueBytes]]
    const result = await aside(libraries().listMeta, image, '', 0, keys, keysLength, values, valuesLength)
    if (result === -constants.errno.ERANGE) {
      keyBytes = 2 * Math.max(keyBytes, keysLength[0])
      valueBytes = 2 * Math.max(valueBytes, valuesLength[0])
      continue
    }
    check(result, 'rbd: listing metadata')
    const names = texts(keys, keysLength[0])
    const said = texts(values, valuesLength[0])
    return new Map(names.map((name, index) => [name, said[index] ?? '']))
  }
}

/** Strings that each end with a zero byte. */
function texts(bytes: Buffer, length: number): string[] {
  return bytes.toString('utf8', 0, length).split('\0').slice(0, -1)
}

export async function setMeta({ at, key, value }: { at: ImageAt; key: string; value: string }): Promise<void> {
  await withImage(at, 'write', async (image) => {
    check(await aside(libraries().setMeta, image, key, value), `rbd: setting metadata failed: ${key}`)
  })
}

export async function removeMeta({ at, key }: { at: ImageAt; key: string }): Promise<void> {
  await withImage(at, 'write', async (image) => {
    check(await aside(libraries().removeMeta, image, key), `rbd: removing metadata failed: ${key}`)
  })
}

export async function createImage(given: {
  place: Place
  image: string
  size: number
  features: number
}): Promise<void> {
  const { place, image, size, features } = given
  // a leaf of the hash tree is an object
  const order: [number] = [22]
  const created = await aside(libraries().createImage, await poolOf(place), image, size, features, order)
  check(created, `rbd: create error of ${image}`)
}

export async function removeImage({ place, image }: { place: Place; image: string }): Promise<void> {
  check(await aside(libraries().removeImage, await poolOf(place), image), `rbd: error opening image ${image}`)
}

/** The names of all images of a pool. */
export async function images(place: Place): Promise<string[]> {
  const pool = await poolOf(place)
  for (let size = 64 * 1024; ; size *= 4) {
    const names = Buffer.alloc(size)
    const length: [number] = [size]
    const listed = await aside(libraries().listImages, pool, names, length)
    if (listed === -constants.errno.ERANGE) continue
    check(listed, 'rbd: listing images failed')
    return texts(names, listed)
  }
}

/** Up or down. */
export async function resize({ at, size }: { at: ImageAt; size: number }): Promise<void> {
  await withImage(at, 'write', async (image) => {
    check(await aside(libraries().resize, image, size), 'rbd: resize error')
  })
}

export async function rollback({ at, name }: { at: ImageAt; name: string }): Promise<void> {
  await withImage(at, 'write', async (image) => {
    check(await aside(libraries().rollback, image, name), `rbd: rollback to ${name} failed`)
  })
}

/** Addresses of the clients that have an image open for a change. */
export async function watchers(at: ImageAt): Promise<string[]> {
  return withImage(at, 'read', listWatchers)
}

/** `rbd_image_watcher_t`: the address of the client's address, its id and a cookie, 8 bytes each. */
const watcherBytes = 24

async function listWatchers(image: Handle): Promise<string[]> {
  const calls = libraries()
  for (let most = 16; ; most *= 4) {
    const found = Buffer.alloc(most * watcherBytes)
    const count: [number] = [most]
    const result = await aside(calls.listWatchers, image, found, count)
    if (result === -constants.errno.ERANGE) continue
    check(result, 'rbd: show status failed')
    const length = count[0]
    const all = Array.from({ length }, (_, index) => textAt(found.readBigUInt64LE(index * watcherBytes)))
    if (length > 0) check(calls.endWatchers(found, length), 'rbd: show status failed')
    return all
  }
}

/** Who holds an image's lock. */
interface Locker {
  /** `client.4711` */
  client: string
  cookie: string
  address: string
}

export async function lockers(at: ImageAt): Promise<Locker[]> {
  return withImage(at, 'read', async (image) => {
    for (let size = 4096; ; size *= 4) {
      const parts = Array.from({ length: 4 }, () => ({ bytes: Buffer.alloc(size), length: [size] as [number] }))
      const into = parts.flatMap(({ bytes, length }) => [bytes, length])
      const count = await aside(libraries().listLockers, image, out<number>(), ...into)
      if (count === -constants.errno.ERANGE) continue
      check(count, 'rbd: listing locks failed')
      if (count === 0) return []
      const [, clients = [], cookies = [], addresses = []] = parts.map(({ bytes, length }) => texts(bytes, length[0]))
      return clients.map((client, index) => ({
        client,
        cookie: cookies[index] ?? '',
        address: addresses[index] ?? '',
      }))
    }
  })
}

export async function breakLock(given: { at: ImageAt; client: string; cookie: string }): Promise<void> {
  const { at, client, cookie } = given
  await withImage(at, 'write', async (image) => {
    check(await aside(libraries().breakLock, image, client, cookie), 'rbd: releasing lock failed')
  })
}
