import { setTimeout as delay } from 'node:timers/promises'
import { CodedError } from '../../errors/coded-error.js'
import type { Log } from '../../log/log.js'
import { ask, imageAt, placeOf, saysMissing, type Asking } from './asking.js'

/** As long as an act may take at most (design section 5): nobody wakes up after that and goes on writing. */
const blockSeconds = 7 * 86_400
const patienceMs = 90_000

/**
 * Makes sure that nobody else writes to the image: whoever has it open, or holds its lock, is shut out of the cluster. To
 * be called by whoever has the lane alone, so that those found are attempts that were given up for dead (design section
 * 7, zombies). A lock of our own would shut out nobody, since RBD hands its lock over politely.
 * @param how.sparesLater who comes after the first look is left alone: the writer of another copy
 * @throws CodedError `CK-TARGET-FENCE` when a client stays, `CK-SOURCE-…`, `CK-TARGET-AWAY`
 */
export async function fence(
  asking: Asking,
  image: string,
  log: Log,
  how: { signal: AbortSignal; sparesLater?: boolean },
): Promise<void> {
  const { signal, sparesLater = false } = how
  const end = performance.now() + patienceMs
  const blocked = new Set<string>()
  let first: Set<string> | undefined
  for (;;) {
    const all = await clientsOf(asking, image)
    first ??= new Set(all.map(({ address }) => address))
    const due = sparesLater ? all.filter(({ address }) => first?.has(address)) : all
    // the watch of one that is shut out may stay for minutes (seen on the lab): what it asks for is refused all the same
    const found = due.filter(({ address, lock }) => lock !== null || !blocked.has(address))
    if (found.length === 0) return
    for (const { address, lock } of found) {
      if (!blocked.has(address)) {
        await shutOut(asking, address)
        blocked.add(address)
        log.warn({ code: 'CK-WRITER-FENCED', image }, `${address} had ${image} open and was shut out of the cluster`)
      }
      // with the lock, RBD shuts its owner out for an hour: ours, which lasts longer, comes after it
      if (lock !== null && (await breakLock(asking, image, lock))) {
        await shutOut(asking, address)
      }
    }
    if (performance.now() > end) throw stays(image, found)
    await delay(200, undefined, { signal })
  }
}

interface Client {
  address: string
  lock: { client: string; cookie: string } | null
}

async function clientsOf(asking: Asking, image: string): Promise<Client[]> {
  const at = imageAt(asking, image)
  const [watching, locking] = await Promise.all([
    ask(asking, 'watchers', at, { image }),
    ask(asking, 'lockers', at, { image }),
  ])
  return [
    ...watching.map((address) => ({ address, lock: null })),
    ...locking.map(({ client, cookie, address }) => ({ address, lock: { client, cookie } })),
  ]
}

async function shutOut(asking: Asking, address: string): Promise<void> {
  await ask(asking, 'blocklist', { place: placeOf(asking.access), address, seconds: blockSeconds })
}

/** @returns false when it was gone already */
async function breakLock(asking: Asking, image: string, lock: NonNullable<Client['lock']>): Promise<boolean> {
  try {
    await ask(asking, 'breakLock', { at: imageAt(asking, image), ...lock }, { image })
    return true
  } catch (error) {
    if (saysMissing(error)) return false
    throw error
  }
}

function stays(image: string, found: Client[]): CodedError {
  const who = found.map(({ address }) => address).join(', ')
  return new CodedError(
    'CK-TARGET-FENCE',
    `${who} still has ${image} open although the cluster was told to shut it out`,
    {
      cure: 'Look at `ceph osd blocklist ls` and at who that is; nothing is written while it stays. It is tried again.',
    },
  )
}
