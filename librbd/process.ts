/**
 * A program of its own: does with librbd and librados what it is asked for over the channel to whoever started it. When that
 * one is gone it kills itself, whatever it waits for.
 */
import { acts, type ActName } from './acts.js'
import { disconnect } from './connections.js'
import { LibrbdError } from './failures.js'
import { closeImages } from './open-images.js'
import type { Reply, Request } from './messages.js'

function reply(message: Reply): void {
  process.send?.(message)
}

async function answer({ id, act, given }: Request & { act: ActName }): Promise<void> {
  try {
    const answered: unknown = await acts[act](given as never)
    reply({ id, answer: answered })
  } catch (error) {
    const said = error instanceof Error ? error.message : String(error)
    reply({ id, failure: { said, errno: error instanceof LibrbdError ? error.errno : null } })
  }
}

/** What goes on is not waited for: it finds its images closed. */
async function leave(): Promise<void> {
  try {
    await closeImages()
    await disconnect()
  } finally {
    process.exit(0)
  }
}

process.on('message', (request: Request) => {
  const { act } = request
  void (act === 'leave' ? leave() : answer({ ...request, act }))
})
process.on('disconnect', () => {
  process.kill(process.pid, 'SIGKILL')
})
