/**
 * `node watchdog.js DIR SERVER TOKEN URI`: thaws one guest when its deadline passes, or as soon as nothing holds the other
 * end of stdin any more: the agent has died, or says that it is done. A process of its own, in a session of its own; it
 * knows neither Temporal nor the agent (docs/decisions/0019).
 */
import { bootId, monotonicMs } from './clock.js'
import { claimEnd, closeEntry, isOpen, readEntry } from './ledger.js'
import { thawUntilOver } from './thaw-until-over.js'

// whoever stops a whole service, or logs out, must not stop this: it ends by itself when the guest is thawed
for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => undefined)
// the reader of "ready" may be dead
process.stdout.on('error', () => undefined)

const [dir = '', server = '', token = '', uri = ''] = process.argv.slice(2)
const entry = await readEntry(dir, server, token)
let agentHolds = true
const why = await firstOf(deadline(), released())
if (await isOpen(dir, entry)) {
  await saySo().catch(() => undefined) // a full disk keeps no guest frozen
  // an agent that was stopped just before it began to freeze could still do so: then this goes on until it has left
  await thawUntilOver({ dir, virsh: { uri, env: undefined }, entry, mayBegin: () => agentHolds }, Infinity)
  await closeEntry(dir, entry).catch(() => undefined)
}
process.exit(0)

async function firstOf(deadlinePasses: Promise<'deadline'>, agentLeaves: Promise<'left'>) {
  process.stdout.write('ready\n')
  return await Promise.race([deadlinePasses, agentLeaves])
}

async function deadline(): Promise<'deadline'> {
  // another boot's clock says nothing: it is over
  const remainingMs = entry.boot === (await bootId()) ? entry.deadlineMs - monotonicMs() : 0
  return await new Promise((resolve) => setTimeout(resolve, Math.max(0, remainingMs), 'deadline'))
}

async function released(): Promise<'left'> {
  return await new Promise((resolve) => {
    for (const event of ['end', 'close', 'error']) {
      process.stdin.on(event, () => {
        agentHolds = false
        resolve('left')
      })
    }
    process.stdin.resume()
  })
}

async function saySo(): Promise<void> {
  const reason =
    why === 'deadline'
      ? {
          code: 'CK-QUIESCE-CUT-SHORT',
          message: `the guest was thawed after ${entry.limitSeconds} s, the longest allowed`,
        }
      : { code: 'CK-QUIESCE-NOT-FROZEN', message: 'the agent ended meanwhile, and the guest was thawed' }
  await claimEnd(dir, { server, token, kept: false, reason, heldMs: null })
}
