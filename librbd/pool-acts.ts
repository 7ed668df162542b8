/** Acts on a cluster, and on objects that belong to no image. */
import { constants } from 'node:os'
import { clusterOf, poolOf } from './connections.js'
import { check } from './failures.js'
import { aside, libraries, out } from './libraries.js'
import type { Place } from './places.js'

/** The id of a cluster, which it keeps for ever. */
export async function fsid(place: Place): Promise<string> {
  const text = Buffer.alloc(37)
  const length = await aside(libraries().fsid, await clusterOf(place), text, text.length)
  check(length, 'rados: fsid')
  return text.toString('latin1', 0, length)
}

/** Shuts a client out of the cluster. @param seconds for so long */
export async function blocklist(given: { place: Place; address: string; seconds: number }): Promise<void> {
  const { place, address, seconds } = given
  check(await aside(libraries().blocklist, await clusterOf(place), address, seconds), `rados: blocklist ${address}`)
}

/** null when it is not there. */
export async function getObject({ place, name }: { place: Place; name: string }): Promise<Buffer | null> {
  const pool = await poolOf(place)
  const what = `rados: getting ${place.pool}/${name}`
  const size = out<number | bigint>()
  const found = await aside(libraries().statObject, pool, name, size, out<number | bigint>())
  if (found === -constants.errno.ENOENT) return null
  check(found, what)
  const bytes = Buffer.alloc(Number(size[0]))
  const read = await aside(libraries().readObject, pool, name, bytes, bytes.length, 0)
  if (read === -constants.errno.ENOENT) return null
  check(read, what)
  return bytes.subarray(0, read)
}

export async function putObject(given: { place: Place; name: string; bytes: Uint8Array }): Promise<void> {
  const { place, name, bytes } = given
  const whole = Buffer.from(bytes)
  const written = await aside(libraries().writeObject, await poolOf(place), name, whole, whole.length)
  check(written, `rados: putting ${place.pool}/${name}`)
}

/** Content when it is gone already. */
export async function removeObject({ place, name }: { place: Place; name: string }): Promise<void> {
  const removed = await aside(libraries().removeObject, await poolOf(place), name)
  if (removed !== -constants.errno.ENOENT) check(removed, `rados: removing ${place.pool}/${name}`)
}
