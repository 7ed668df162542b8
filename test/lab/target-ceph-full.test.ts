/**
 * A pool without room. Ceph lets clients wait then, without an error: for a quota of the pool as for full OSDs. Nothing is
 * lost and nothing is left, points can still be removed, and once there is room the next archive goes well.
 */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Capture, Copy, CopyContext } from '../../targets/target.js'
import { cephHands, type CephHands } from '../helpers/ceph-hands.js'
import { copiesPool, type CopiesPool } from '../helpers/copies-pool.js'
import { labEnvironment } from '../helpers/lab.js'
import { quickVolume, type QuickVolume } from '../helpers/quick-volume.js'
import { cephBench, type CephBench } from '../targets/ceph-bench.js'
import { contextFor } from '../targets/contract.js'

const lab = labEnvironment()
const mib = 2 ** 20
/** What is longer than the slowest answer of a busy lab, and short enough to wait for. */
const pace = { stallMs: 10_000, commandMs: 10_000 }
/** `CK_FULL=quota` spares others on the same lab: with full OSDs nobody can write to its second cluster. */
const chosen = process.env['CK_FULL'] ?? 'quota,osds'

let bench: CephBench
let prod: CephHands
let backup: CephHands
let pool: CopiesPool
/** For what must not go well; and for what must. */
let impatient: { pace: typeof pace; options: CopiesPool['options'] }
let given: { options: CopiesPool['options'] }
beforeAll(async () => {
  bench = await cephBench(lab)
  prod = cephHands(lab, 'prod')
  backup = cephHands(lab, 'backup')
  pool = await copiesPool(lab, 'backup')
  given = { options: pool.options }
  impatient = { pace, ...given }
})
afterAll(async () => {
  await bench.end()
  await pool.end()
  await Promise.all([prod.end(), backup.end()])
})

/** How a pool comes to be full, and has room again. */
interface Fullness {
  key: 'quota' | 'osds'
  which: string
  fill(): Promise<void>
  makeRoom(): Promise<void>
}

const ratios = { nearfull: 0.85, backfillfull: 0.9, full: 0.95 }
const ways: Fullness[] = [
  {
    key: 'quota',
    which: 'a pool whose quota is used up',
    fill: async () => {
      await pool.ceph('osd', 'pool', 'set-quota', pool.name, 'max_bytes', '1')
    },
    makeRoom: async () => {
      await pool.ceph('osd', 'pool', 'set-quota', pool.name, 'max_bytes', '0')
    },
  },
  {
    key: 'osds',
    which: 'a cluster whose OSDs are full',
    fill: async () => {
      const { nodes } = JSON.parse(await pool.ceph('osd', 'df', '--format', 'json')) as {
        nodes: { utilization: number }[]
      }
      const used = Math.min(...nodes.map(({ utilization }) => utilization)) / 100
      for (const [at, name] of Object.keys(ratios).entries()) {
        await pool.ceph('osd', `set-${name}-ratio`, String(used * (0.4 + 0.1 * at)))
      }
    },
    makeRoom: async () => {
      // from above, so that they are never out of order
      for (const [name, ratio] of Object.entries(ratios).reverse()) {
        await pool.ceph('osd', `set-${name}-ratio`, String(ratio))
      }
    },
  },
]

async function isFull(): Promise<boolean> {
  const pools = JSON.parse(await pool.ceph('osd', 'pool', 'ls', 'detail', '--format', 'json')) as {
    pool_name: string
    flags_names: string
  }[]
  return (
    pools
      .find(({ pool_name: name }) => name === pool.name)
      ?.flags_names.split(',')
      .includes('full') ?? false
  )
}

describe.each(ways.filter(({ key }) => chosen.includes(key)))('$which', (way) => {
  let volume: QuickVolume
  let base: Capture
  let first: Copy
  beforeEach(async () => {
    volume = await quickVolume(bench, 96, { prod, copies: backup, pool: pool.name })
    await volume.act({ act: 'write', offset: 0, length: 16 * mib, seed: 1 })
    base = await volume.capture()
    first = await bench.verified(base, given)
  })
  afterEach(async () => {
    await roomAgain()
    await volume.end()
  })

  async function full(): Promise<void> {
    await way.fill()
    await expect.poll(isFull, { timeout: 60_000, interval: 300 }).toBe(true)
  }

  async function roomAgain(): Promise<void> {
    await way.makeRoom()
    await expect.poll(isFull, { timeout: 60_000, interval: 300 }).toBe(false)
  }

  async function nextCapture(): Promise<Capture> {
    await volume.act({ act: 'write', offset: 8 * mib, length: 80 * mib, seed: 2 })
    return volume.capture()
  }

  /** Full from somewhere between the first byte and the last. */
  function fullOnTheWay(): CopyContext {
    let calls = 0
    return {
      ...contextFor().context,
      throttle: async () => {
        calls += 1
        if (calls === 2) await full()
      },
    }
  }

  it('is told in the midst of writing; what was there is what it was, and with room the next try is right', async () => {
    const capture = await nextCapture()
    const writing = bench.open(impatient).writeCopy(capture, null, fullOnTheWay())
    await expect(writing).rejects.toMatchObject({ code: 'CK-TARGET-FULL' })
    // to read is possible all the time
    const found = await bench.open(impatient).listCopies(volume.id, contextFor().context)
    expect(found).toEqual([first])
    await volume.mustBeRight(first, base)
    await roomAgain()
    const copy = await bench.verified(capture, given)
    await volume.mustBeRight(copy, capture)
    await volume.mustBeRight(first, base)
    await volume.mustHoldOnly([first, copy])
  })

  it('is told in the midst of writing, and the archive is given up: with room nothing is left of it', async () => {
    const capture = await nextCapture()
    const writing = bench.open(impatient).writeCopy(capture, null, fullOnTheWay())
    await expect(writing).rejects.toMatchObject({ code: 'CK-TARGET-FULL' })
    await roomAgain()
    const archive = { archiveId: capture.archiveId, volumeId: volume.id }
    await bench.open(given).removeTemporaries(archive, contextFor().context)
    await volume.mustHoldOnly([first])
    await volume.mustBeRight(first, base)
  })

  it('is told before anything is written', async () => {
    const capture = await nextCapture()
    await full()
    const writing = bench.open(impatient).writeCopy(capture, null, contextFor().context)
    await expect(writing).rejects.toMatchObject({ code: 'CK-TARGET-FULL' })
    await roomAgain()
    const copy = await bench.verified(capture, given)
    await volume.mustBeRight(copy, capture)
    await volume.mustHoldOnly([first, copy])
  })

  it('has room for no archive, as its preflight says', async () => {
    await full()
    // what the cluster says of its room follows a moment later
    const fit = async () => bench.open(given).preflight?.({ sizeGib: 1, host: null }, contextFor().context)
    await expect.poll(fit, { timeout: 60_000 }).toMatchObject({ fits: false })
    await roomAgain()
    await expect.poll(fit, { timeout: 60_000 }).toEqual({ fits: true })
  })

  it('gets room by removing points', async () => {
    const capture = await nextCapture()
    const copy = await bench.verified(capture, given)
    await full()
    await bench.open(impatient).removeCopy(first, contextFor().context)
    await volume.mustHoldOnly([copy])
    await bench.open(impatient).removeCopy(copy, contextFor().context)
    await volume.mustHoldOnly([])
  })
})
