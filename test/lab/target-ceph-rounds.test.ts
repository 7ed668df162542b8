/** Rounds of whatever can happen to a volume; every point that is left is restored at the end and is what it was. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Capture, Copy } from '../../targets/target.js'
import { cephHands, type CephHands } from '../helpers/ceph-hands.js'
import { dice, seedOfThisRun } from '../helpers/dice.js'
import { labEnvironment } from '../helpers/lab.js'
import { quickVolume, type QuickVolume } from '../helpers/quick-volume.js'
import type { RbdAct } from '../helpers/rbd-hands.js'
import { cephBench, type CephBench } from '../targets/ceph-bench.js'
import { contextFor } from '../targets/contract.js'

const lab = labEnvironment()
const mib = 2 ** 20
const rounds = Number(process.env['CK_ROUNDS'] ?? 8)
const seed = seedOfThisRun()

let bench: CephBench
let prod: CephHands
let backup: CephHands
let volume: QuickVolume
let dir: string
beforeAll(async () => {
  bench = await cephBench(lab)
  prod = cephHands(lab, 'prod')
  backup = cephHands(lab, 'backup')
  volume = await quickVolume(bench, 24, { prod, copies: backup })
  dir = await mkdtemp(join(tmpdir(), 'ck-rounds-'))
})
afterAll(async () => {
  await volume.end()
  await bench.end()
  await Promise.all([prod.end(), backup.end()])
  await rm(dir, { recursive: true })
})

/** What is done in one round, one thing after the other. @param size the image's, which what is done may change */
function acts(roll: (below: number) => number, size: { now: number }, captures: Capture[]): RbdAct[] {
  return Array.from({ length: 1 + roll(5) }, () => {
    const kind = roll(10)
    const back = captures[roll(captures.length)]
    if (kind === 9 && back !== undefined) {
      size.now = back.sizeBytes
      return { act: 'rollback', snapshot: back.snapshotName }
    }
    if (kind === 8) {
      // also sizes that end within a block
      size.now = (8 + roll(32)) * mib + (roll(2) === 0 ? 0 : 512 * roll(2048))
      return { act: 'resize', size: size.now }
    }
    const offset = roll(size.now / 512) * 512
    const length = Math.min(size.now - offset, 512 * (1 + roll(roll(4) === 0 ? 12_000 : 200)))
    if (kind <= 4) return { act: 'write', offset, length, seed: roll(2 ** 30) }
    return kind === 5 ? { act: 'zeroes', offset, length } : { act: 'discard', offset, length }
  })
}

describe('a volume', () => {
  it(`is the same at every point after ${rounds} rounds (CK_SEED=${seed})`, { timeout: 3_600_000 }, async () => {
    const roll = dice(seed)
    const size = { now: 24 * mib }
    /** Whose RBD snapshots are still on the source, the oldest first. */
    let captures: Capture[] = []
    const kept: { copy: Copy; content: string }[] = []
    // small steps, so that a whole read goes through several of them, and a tree through several objects
    const given = { pace: { segmentBytes: 4 * mib, pieceLeaves: 3 }, options: { compare: 3 } }
    const target = bench.open(given)

    for (let round = 0; round < rounds; round += 1) {
      await volume.act(...acts(roll, size, captures))
      const capture = await volume.capture()
      captures.push(capture)
      const copy = await bench.verified(capture, { ...given, wholeObject: roll(2) === 0 })
      const which = `round ${round}, CK_SEED=${seed}`
      expect(copy, which).toMatchObject({ state: 'verified', reason: null, sizeBytes: size.now })
      kept.push({ copy, content: await prod.content(`${volume.image}@${capture.snapshotName}`) })
      // the base is kept, as a rule; sometimes it vanishes, and all is read
      const released = roll(6) === 0 ? captures : captures.slice(0, -2)
      await volume.release(...released)
      captures = captures.slice(released.length)
      if (roll(4) === 0) {
        const [removed] = kept.splice(roll(kept.length), 1)
        if (removed !== undefined) await target.removeCopy(removed.copy, contextFor().context)
      }
    }

    const listed = await target.listCopies(volume.id, contextFor().context)
    expect(listed.map(({ point }) => point)).toEqual(kept.map(({ copy }) => copy.point))
    await volume.mustHoldOnly(kept.map(({ copy }) => copy))
    for (const { copy, content } of kept) {
      const path = join(dir, 'restored')
      await target.restoreCopy(copy, { kind: 'file', path }, contextFor().context)
      expect(await prod.contentOfFile(path), `${copy.point}, CK_SEED=${seed}`).toBe(content)
    }
    while (kept.length > 0) {
      const [removed] = kept.splice(roll(kept.length), 1)
      if (removed !== undefined) await target.removeCopy(removed.copy, contextFor().context)
    }
    await volume.mustHoldOnly([])
  })
})
