import { describe, expect, it } from 'vitest'
import { CodedError } from '../../errors/coded-error.js'
import { type HashableBytes, hashBytes } from '../../source/hash-bytes.js'
import type { DataRun } from '../../source/source.js'
import { naiveRoot, someBytes } from './naive-root.js'

const mib = 1024 * 1024

/** Bytes in memory, handed out without a single wait: the hardest case for whoever shares the event loop. */
function memory(volume: Buffer, more: Partial<HashableBytes> = {}): HashableBytes {
  return {
    sizeBytes: volume.length,
    read: async function* (): AsyncGenerator<DataRun> {
      for (let offset = 0; offset < volume.length; offset += mib) {
        yield { offset, data: volume.subarray(offset, offset + mib) }
      }
    },
    confirm: async () => undefined,
    ...more,
  }
}

describe('hashBytes', () => {
  it('asks whether the snapshot still exists, once and after the last byte', async () => {
    const volume = someBytes('volume', 5 * mib)
    const events: string[] = []
    const bytes = memory(volume)
    const hashed = await hashBytes({
      ...bytes,
      read: async function* () {
        yield* bytes.read()
        events.push('read')
      },
      confirm: async () => {
        events.push('confirmed')
      },
    })
    expect(events).toEqual(['read', 'confirmed'])
    expect(hashed).toEqual({ rootHash: naiveRoot(volume), sizeBytes: 5 * mib, readBytes: 5 * mib })
  })

  it('gives no hash when the snapshot is gone', async () => {
    const gone = new CodedError('CK-CAPTURE-LOST', 'gone')
    const bytes = memory(Buffer.alloc(mib, 1), {
      confirm: async () => {
        throw gone
      },
    })
    await expect(hashBytes(bytes)).rejects.toBe(gone)
  })

  it('lets timers and heartbeats run while a fast source never waits, and tells how far it is', async () => {
    let turns = 0
    let running = true
    const turn = (): void => {
      turns += 1
      if (running) setImmediate(turn)
    }
    setImmediate(turn)
    const told: number[] = []
    await hashBytes(memory(Buffer.alloc(40 * mib, 1)), { onProgress: (doneBytes) => told.push(doneBytes) })
    running = false
    expect(turns).toBeGreaterThanOrEqual(5)
    expect(told).toEqual([8, 16, 24, 32, 40, 40].map((done) => done * mib))
  })

  it('stops at an abort and ends the source', async () => {
    const aborting = new AbortController()
    let ended = false
    const bytes = memory(Buffer.alloc(40 * mib, 1), {
      read: async function* () {
        try {
          for (let offset = 0; ; offset += mib) yield { offset, data: Buffer.alloc(mib, 1) }
        } finally {
          ended = true
        }
      },
    })
    const hashing = hashBytes(bytes, {
      signal: aborting.signal,
      onProgress: () => {
        aborting.abort(new Error('asked to stop'))
      },
    })
    await expect(hashing).rejects.toThrow('asked to stop')
    expect(ended).toBe(true)
  })
})
