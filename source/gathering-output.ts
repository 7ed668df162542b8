import { writev } from 'node:fs'
import { setImmediate as nextTurn } from 'node:timers/promises'

/** Writes to a file descriptor that waits; what comes in one turn of the event loop is written at once. */
export interface GatheringOutput {
  /** Waits only when much is unwritten. The bytes must stay as they are until they are written. */
  add(...parts: Buffer[]): Promise<void>
  /** Resolves when all that was added so far is written. */
  written(): Promise<void>
}

/** So many small records may wait; the system takes 1,024 at once. */
const maxWaiting = 1000

export function gatheringOutput(descriptor: number): GatheringOutput {
  let waiting: Buffer[] = []
  let writing: Promise<void> | null = null

  async function writeWaiting(): Promise<void> {
    await nextTurn()
    while (waiting.length > 0) {
      const parts = waiting
      waiting = []
      await writeAll(descriptor, parts)
    }
    writing = null
  }

  async function written(): Promise<void> {
    await writing
  }

  return {
    add: async (...parts) => {
      waiting.push(...parts)
      writing ??= writeWaiting()
      if (waiting.length >= maxWaiting) await writing
    },
    written,
  }
}

/** All of it, whatever is taken at once. */
async function writeAll(descriptor: number, parts: Buffer[]): Promise<void> {
  for (let left = parts; left.length > 0;) {
    const taken = await new Promise<number>((resolve, reject) => {
      writev(descriptor, left, (error, bytes) => {
        if (error === null) resolve(bytes)
        else reject(error)
      })
    })
    left = after(left, taken)
  }
}

function after(parts: Buffer[], taken: number): Buffer[] {
  let skip = taken
  return parts.flatMap((part) => {
    const cut = Math.min(skip, part.length)
    skip -= cut
    return cut === part.length ? [] : [part.subarray(cut)]
  })
}
