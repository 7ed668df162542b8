import { setTimeout as delay } from 'node:timers/promises'
import { z } from 'zod'
import { CodedError } from '../../errors/coded-error.js'
import type { Log } from '../../log/log.js'
import { CommandFailed } from '../../source/command-errors.js'
import { rbdWatchers } from '../../source/rbd-queries.js'
import { explained, runCeph, runRbd, saysMissing, type Asking } from './commands.js'

/** As long as an act may take at most (design section 5): nobody wakes up after that and goes on writing. */
const blockSeconds = 7 * 86_400
/** A blocked client's watch goes with the next map, or when it times out after 30 s. */
const patienceMs = 90_000

const locks = z.array(z.looseObject({ id: z.string(), locker: z.string(), address: z.string() }))

/**
 * Makes sure that nobody else writes to the image: whoever has it open, or holds its lock, is shut out of the cluster. To
 * be called by whoever has the lane alone, so that those found are attempts that were given up for dead (design section
 * 7, zombies). A lock of our own would shut out nobody, since RBD hands its lock over politely.
 * @throws CodedError `CK-TARGET-FENCE` when a client stays, `CK-SOURCE-…`, `CK-TARGET-AWAY`
 */
export async function fence(asking: Asking, image: string, log: Log): Promise<void> {
  const end = performance.now() + patienceMs
  const blocked = new Set<string>()
  for (;;) {
    const found = await clientsOf(asking, image)
    if (found.length === 0) return
    for (const { address, lock } of found) {
      if (!blocked.has(address)) {
        await runCeph(asking, ['osd', 'blocklist', 'add', address, String(blockSeconds)])
        blocked.add(address)
        log.warn({ code: 'CK-WRITER-FENCED', image }, `${address} had ${image} open and was shut out of the cluster`)
      }
      // with the lock, RBD shuts its owner out for an hour: ours, which lasts longer, comes after it
      if (lock !== null && (await breakLock(asking, image, lock))) {
        await runCeph(asking, ['osd', 'blocklist', 'add', address, String(blockSeconds)])
      }
    }
    if (performance.now() > end) throw stays(image, found)
    await delay(200, undefined, { signal: asking.signal })
  }
}

interface Client {
  address: string
  lock: { id: string; locker: string } | null
}

async function clientsOf(asking: Asking, image: string): Promise<Client[]> {
  const [watchers, printed] = await Promise.all([
    explained(asking.access, image, async () => rbdWatchers(asking.access, image)),
    runRbd(asking, ['lock', 'ls'], { image }, ['--format', 'json']),
  ])
  if (watchers === 'unknown') {
    throw new CodedError('CK-TARGET-FENCE', `client.${asking.access.user} may not ask who has ${image} open`, {
      cure: 'Give the user that writes the rights that docs/ceph.md names.',
    })
  }
  // `client.4711 127.0.0.1:0/123`
  const watching = watchers.map((one) => ({ address: one.slice(one.indexOf(' ') + 1), lock: null }))
  const locking = locks.parse(JSON.parse(printed)).map(({ id, locker, address }) => ({ address, lock: { id, locker } }))
  return [...watching, ...locking]
}

/** @returns false when it was gone already */
async function breakLock(asking: Asking, image: string, { id, locker }: NonNullable<Client['lock']>): Promise<boolean> {
  try {
    await runRbd(asking, ['lock', 'rm'], { image }, [id, locker])
    return true
  } catch (error) {
    if (error instanceof CommandFailed && saysMissing(error)) return false
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
