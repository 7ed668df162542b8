import { check } from './failures.js'
import { aside, libraries, out, type Handle } from './libraries.js'
import type { Place } from './places.js'

const clusters = new Map<string, Promise<Handle>>()
const pools = new Map<string, Promise<Handle>>()

/** One connection for each user of a cluster, made when it is first needed. */
export async function clusterOf({ conf, user, keyring }: Omit<Place, 'pool'>): Promise<Handle> {
  return once(clusters, JSON.stringify([conf, user, keyring]), async () => {
    const calls = libraries()
    const cluster = out<Handle>()
    check(calls.create(cluster, user), "rbd: couldn't connect to the cluster!")
    check(calls.readConf(cluster[0], conf), `unable to open config file ${conf}`)
    for (const [name, value] of configuration(keyring)) check(calls.setConf(cluster[0], name, value), `rbd: ${name}`)
    const connected = await aside(calls.connect, cluster[0])
    // with the handle goes its log: what is wrong with a key is on stderr before the answer is sent
    if (connected < 0) await aside(calls.shutdown, cluster[0])
    check(connected, "rbd: couldn't connect to the cluster!")
    return cluster[0]
  })
}

export async function poolOf(place: Place): Promise<Handle> {
  return once(pools, JSON.stringify(place), async () => {
    const pool = out<Handle>()
    const opening = `rbd: error opening pool '${place.pool}'`
    check(await aside(libraries().openPool, await clusterOf(place), place.pool, pool), opening)
    // as `rbd` does where it removes: in a full pool that must work, and a write must fail instead of waiting for ever
    libraries().failWhenFull(pool[0])
    return pool[0]
  })
}

/** To be called when no act is going on. */
export async function disconnect(): Promise<void> {
  for (const pool of await opened(pools)) libraries().closePool(pool)
  for (const cluster of await opened(clusters)) await aside(libraries().shutdown, cluster)
}

/** Those that were not refused. */
async function opened(made: Map<string, Promise<Handle>>): Promise<Handle[]> {
  const all = await Promise.allSettled(made.values())
  return all.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
}

function configuration(keyring: string | null): [name: string, value: string][] {
  return [
    // every byte is read or written once: a cache would only copy it
    ['rbd_cache', 'false'],
    // as the programs of Ceph do, and libraries do not: what is wrong with a key is told there alone
    ['log_to_stderr', 'true'],
    ['err_to_stderr', 'true'],
    ...(keyring === null ? [] : ([['keyring', keyring]] as [string, string][])),
  ]
}

async function once(made: Map<string, Promise<Handle>>, key: string, make: () => Promise<Handle>): Promise<Handle> {
  const found = made.get(key) ?? make()
  made.set(key, found)
  return found
}
