/**
 * Processes that write, verify and remove copies are killed (SIGKILL) at any moment; nothing wrong or left behind comes of
 * it. `CK_KILLS=50` kills so many of each.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Capture, Copy } from '../../targets/target.js'
import { cephHands, type CephHands } from '../helpers/ceph-hands.js'
import { dice, seedOfThisRun } from '../helpers/dice.js'
import { actInProcess, killedOften, type Act, type Outcome } from '../helpers/killed-act.js'
import { labEnvironment } from '../helpers/lab.js'
import { quickVolume, type QuickVolume } from '../helpers/quick-volume.js'
import { cephBench, type CephBench } from '../targets/ceph-bench.js'
import { contextFor } from '../targets/contract.js'

const lab = labEnvironment()
const mib = 2 ** 20
const kills = Number(process.env['CK_KILLS'] ?? 6)
const seed = seedOfThisRun()
/** Small steps: so that kills fall between them as well. */
const pace = { segmentBytes: 4 * mib, pieceLeaves: 4 }
const given = { pace }
const hours = 3 * 3_600_000

let bench: CephBench
let prod: CephHands
let backup: CephHands
const volumes: QuickVolume[] = []
beforeAll(async () => {
  bench = await cephBench(lab)
  prod = cephHands(lab, 'prod')
  backup = cephHands(lab, 'backup')
})
afterAll(async () => {
  for (const volume of volumes) await volume.end()
  await bench.end()
  await Promise.all([prod.end(), backup.end()])
})

/** A volume with a verified copy. */
async function firstCopy(): Promise<{ volume: QuickVolume; capture: Capture; copy: Copy }> {
  const volume = await quickVolume(bench, 32, { prod, copies: backup })
  volumes.push(volume)
  await volume.act({ act: 'write', offset: 0, length: 24 * mib, seed: 1 })
  const capture = await volume.capture()
  return { volume, capture, copy: await bench.verified(capture, given) }
}

function change(volume: QuickVolume, roll: (below: number) => number): Promise<void> {
  const offset = roll(22 * mib)
  return volume.act(
    { act: 'write', offset, length: 10 * mib, seed: roll(2 ** 30) },
    { act: 'discard', offset: roll(24 * mib), length: 100_000 },
  )
}

async function inProcess(act: Act, what: Capture | Copy, afterMs: number | null): Promise<Outcome> {
  return actInProcess(bench, pace, { act, what, afterMs })
}

async function copyOf({ archiveId }: Capture, volume: QuickVolume): Promise<Copy | undefined> {
  const all = await bench.open(given).listCopies(volume.id, contextFor().context)
  return all.find((one) => one.archiveId === archiveId)
}

/** For whoever wants to know what the kills met. */
function tell(act: Act, phases: Map<string, number>): void {
  const met = [...phases].map(([phase, count]) => `${phase} ${count}`).join(', ')
  process.stdout.write(`killed while ${act} was at: ${met} (CK_SEED=${seed})\n`)
}

describe(`after ${kills} kills (CK_SEED=${seed})`, () => {
  it('of writing, every point is right, whether the archive goes on or is given up', { timeout: hours }, async () => {
    const roll = dice(seed)
    const { volume, capture: base, copy: first } = await firstCopy()
    const target = bench.open(given)
    let captures = [base]
    const copies = [first]
    const phases = await killedOften(kills, roll, async (n, after) => {
      await change(volume, roll)
      // the base and one more; every fourth time no base is left, and all is read
      const kind = n % 4 === 1 ? 'whole' : 'changes'
      const released = kind === 'whole' ? captures : captures.slice(0, -2)
      await volume.release(...released)
      const capture = await volume.capture()
      captures = [...captures.slice(released.length), capture]
      const outcome = await inProcess('write', capture, after(kind))
      if (n % 3 === 2) {
        await target.removeTemporaries({ archiveId: capture.archiveId, volumeId: volume.id }, contextFor().context)
        // it may have been written to its end, and more
        const done = await copyOf(capture, volume)
        await volume.mustHoldOnly(done === undefined ? copies : [...copies, done])
        if (done !== undefined) await target.removeCopy(done, contextFor().context)
      } else {
        const copy = await bench.verified(capture, given)
        await volume.mustBeRight(copy, capture)
        copies.push(copy)
        if (copies.length > 3) await target.removeCopy(copies.shift() ?? copy, contextFor().context)
      }
      await volume.mustHoldOnly(copies)
      return { kind, outcome }
    })
    tell('write', phases)
    expect((await target.listCopies(volume.id, contextFor().context)).map(({ state }) => state)).toEqual(
      copies.map(() => 'verified'),
    )
  })

  it('of verifying, the copy is verified by the next attempt', { timeout: hours }, async () => {
    const roll = dice(seed)
    const { volume, copy: first } = await firstCopy()
    await change(volume, roll)
    const capture = await volume.capture()
    const target = bench.open(given)
    const copy = await target.writeCopy(capture, null, contextFor().context)
    const phases = await killedOften(kills, roll, async (n, after) => {
      // what is verified for the first time is read where it changed, later it is read whole
      const kind = n % 2 === 0 ? 'first' : 'later'
      const outcome = await inProcess('verify', kind === 'first' ? copy : first, after(kind))
      expect((await copyOf(capture, volume))?.state).toBe('unverified')
      if (n % 5 === 0) {
        const found = await target.verifyCopy(copy, null, contextFor().context)
        expect(found).toMatchObject({ state: 'verified', reason: null })
      }
      return { kind, outcome }
    })
    tell('verify', phases)
    const verified = await bench.verified(capture, given)
    await volume.mustBeRight(verified, capture)
    await volume.mustHoldOnly([first, verified])
  })

  it(
    'of removing, the copy is gone by the next attempt, and the others are what they were',
    { timeout: hours },
    async () => {
      const roll = dice(seed)
      const { volume, capture: base, copy: first } = await firstCopy()
      const target = bench.open(given)
      const phases = await killedOften(kills, roll, async (n, after) => {
        await change(volume, roll)
        const capture = await volume.capture()
        const copy =
          n % 2 === 0
            ? await bench.verified(capture, given)
            : await target.writeCopy(capture, null, contextFor().context)
        const outcome = await inProcess('remove', copy, after('remove'))
        const half = await copyOf(capture, volume)
        // no half of it may pass for a whole one
        if (half !== undefined && half.state !== copy.state) expect(['removing', 'damaged']).toContain(half.state)
        if (half?.state === 'verified') await volume.mustBeRight(half, capture)
        await target.removeCopy(copy, contextFor().context)
        await volume.mustHoldOnly([first])
        await volume.release(capture)
        return { kind: 'remove', outcome }
      })
      tell('remove', phases)
      await volume.mustBeRight(first, base)
      await target.removeCopy(first, contextFor().context)
      await volume.mustHoldOnly([])
    },
  )
})
