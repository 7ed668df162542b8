/** Rounds of whatever can happen to a volume; every point that is left is restored at the end and is what it was. */
import { createHash, randomInt } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Copy } from '../../targets/target.js'
import { labEnvironment, listRbdSnapshots, sha256OfRbd, volumeImage } from '../helpers/lab.js'
import { rbdActs, type RbdAct } from '../helpers/rbd-hands.js'
import { cephBench, type CephBench } from '../targets/ceph-bench.js'
import { contextFor } from '../targets/contract.js'

const lab = labEnvironment()
const mib = 2 ** 20
const rounds = Number(process.env['CK_ROUNDS'] ?? 30)
const seed = Number(process.env['CK_SEED'] ?? randomInt(2 ** 31))

/** Mulberry32: small, and the same everywhere. */
function dice(from: number): (below: number) => number {
  let state = from
  return (below) => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * below)
  }
}

let bench: CephBench
let dir: string
beforeAll(async () => {
  bench = await cephBench(lab)
  dir = await mkdtemp(join(tmpdir(), 'ck-rounds-'))
})
afterAll(async () => {
  await bench.end()
  await rm(dir, { recursive: true })
})

describe('a volume', () => {
  it(`is the same at every point after ${rounds} rounds (CK_SEED=${seed})`, { timeout: 3_600_000 }, async () => {
    const roll = dice(seed)
    const id = await bench.newVolume(24)
    const image = volumeImage(id)
    let size = 24 * mib
    const sizes = new Map<string, number>()
    const kept: { copy: Copy; sha: string }[] = []
    // small steps, so that a whole read goes through several of them, and a tree through several objects
    const given = { pace: { segmentBytes: 4 * mib, pieceLeaves: 3 }, options: { compare: 3 } }

    for (let round = 0; round < rounds; round += 1) {
      const acts: RbdAct[] = []
      for (let n = roll(5); n >= 0; n -= 1) acts.push(anything(await listRbdSnapshots(lab, 'prod', image)))
      await rbdActs(lab, 'prod', image, acts)
      const capture = await bench.captureOf(id)
      sizes.set(capture.snapshotName, size)
      const copy = await bench.verified(capture, given)
      expect(copy, `round ${round}, seed ${seed}`).toMatchObject({ state: 'verified', reason: null })
      kept.push({ copy, sha: await sha256OfRbd(lab, 'prod', `${image}@${capture.snapshotName}`) })
      // the base is kept, as a rule; sometimes it vanishes, and all is read
      const names = await listRbdSnapshots(lab, 'prod', image)
      for (const name of roll(6) === 0 ? names : names.slice(0, -2))
        await bench.rbd('prod', 'snap', 'rm', '--no-progress', `${image}@${name}`)
      if (roll(4) === 0) {
        const [removed] = kept.splice(roll(kept.length), 1)
        if (removed !== undefined) await bench.open().removeCopy(removed.copy, contextFor().context)
      }
    }

    const listed = await bench.open().listCopies(id, contextFor().context)
    expect(listed.map(({ point }) => point).sort()).toEqual(kept.map(({ copy }) => copy.point).sort())
    for (const { copy, sha } of kept) {
      const path = join(dir, 'restored')
      await bench.open().restoreCopy(copy, { kind: 'file', path }, contextFor().context)
      expect(await sha256OfFile(path), `${copy.point}, seed ${seed}`).toBe(sha)
    }
    for (const { copy } of kept) await bench.open().removeCopy(copy, contextFor().context)
    expect(await bench.imageOf(id)).toBeUndefined()

    function anything(snapshots: string[]): RbdAct {
      const kind = roll(10)
      const snapshot = snapshots[roll(snapshots.length)]
      if (kind === 9 && snapshot !== undefined) {
        size = sizes.get(snapshot) ?? size
        return { act: 'rollback', snapshot }
      }
      if (kind === 8) {
        // also sizes that end within a block
        size = (8 + roll(32)) * mib + (roll(2) === 0 ? 0 : 512 * roll(2048))
        return { act: 'resize', size }
      }
      const offset = roll(size / 512) * 512
      const length = Math.min(size - offset, 512 * (1 + roll(roll(4) === 0 ? 12_000 : 200)))
      if (kind <= 4) return { act: 'write', offset, length, seed: roll(2 ** 30) }
      return kind === 5 ? { act: 'zeroes', offset, length } : { act: 'discard', offset, length }
    }
  })
})

async function sha256OfFile(path: string): Promise<string> {
  const hash = createHash('sha256')
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer)
  return hash.digest('hex')
}
