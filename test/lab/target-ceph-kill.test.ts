/** Processes that write, verify and remove copies are killed (SIGKILL) at any moment; nothing wrong or left behind comes of it. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Capture, Copy } from '../../targets/target.js'
import { labEnvironment, listRbdSnapshots, sha256OfRbd, volumeImage } from '../helpers/lab.js'
import { rbdActs } from '../helpers/rbd-hands.js'
import { cephBench, type CephBench } from '../targets/ceph-bench.js'
import { contextFor } from '../targets/contract.js'

const lab = labEnvironment()
const mib = 2 ** 20
const kills = Number(process.env['CK_KILLS'] ?? 50)
const program = join(dirname(fileURLToPath(import.meta.url)), '..', 'helpers', 'target-act.mjs')
/** Small steps: so that kills fall between them as well. */
const pace = { segmentBytes: 4 * mib, pieceLeaves: 4 }
const given = { pace }
const hours = 3 * 3_600_000

let bench: CephBench
let seed = 0
beforeAll(async () => {
  bench = await cephBench(lab)
})
afterAll(async () => {
  await bench.end()
})

/** @returns how long it took, in ms; or null when it was killed */
async function inProcess(act: string, what: Capture | Copy, killAfterMs: number | null): Promise<number | null> {
  const child = spawn(process.execPath, [program], { stdio: ['pipe', 'pipe', 'inherit'] })
  const ended = once(child, 'close')
  const { options, sources, installation } = bench
  child.stdin.end(JSON.stringify({ act, given: what, options, sources, installation, cephPace: pace }))
  await Promise.race([once(child.stdout, 'data'), ended])
  const begun = performance.now()
  if (killAfterMs !== null) {
    await Promise.race([delay(killAfterMs), ended])
    child.kill('SIGKILL')
  }
  await ended
  if (child.signalCode === 'SIGKILL') return null
  expect(child.exitCode).toBe(0)
  return performance.now() - begun
}

async function changed(id: string): Promise<Capture> {
  seed += 1
  const offset = (seed * 2_777_088) % (30 * mib)
  const names = await listRbdSnapshots(lab, 'prod', volumeImage(id))
  await rbdActs(lab, 'prod', volumeImage(id), [{ act: 'write', offset, length: 300_000, seed }])
  // the base and one more; every fourth time no base is left, and all is read
  for (const name of seed % 4 === 0 ? names : names.slice(0, -1)) {
    await bench.rbd('prod', 'snap', 'rm', '--no-progress', `${volumeImage(id)}@${name}`)
  }
  return bench.captureOf(id)
}

async function firstCopy(): Promise<{ id: string; copy: Copy }> {
  const id = await bench.newVolume(32)
  await rbdActs(lab, 'prod', volumeImage(id), [{ act: 'write', offset: 0, length: 24 * mib, seed: 1 }])
  return { id, copy: await bench.verified(await bench.captureOf(id), given) }
}

async function mustBeRight(copy: Copy, capture: Capture): Promise<void> {
  expect(copy).toMatchObject({ state: 'verified', reason: null })
  const source = `${volumeImage(capture.volume.volumeId)}@${capture.snapshotName}`
  const target = `archives/${copy.ref['image'] ?? ''}@${copy.ref['snapshot'] ?? ''}`
  expect(await sha256OfRbd(lab, 'backup', target)).toBe(await sha256OfRbd(lab, 'prod', source))
}

async function mustHold(id: string, copies: Copy[]): Promise<void> {
  const listed = await bench.open(given).listCopies(id, contextFor().context)
  expect(listed.map(({ point, state }) => [point, state])).toEqual(copies.map(({ point }) => [point, 'verified']))
  const image = await bench.imageOf(id)
  const snapshots = image === undefined ? [] : await listRbdSnapshots(lab, 'backup', image)
  expect(snapshots).toEqual(copies.map(({ ref }) => ref['snapshot']))
}

describe(`after ${kills} kills`, () => {
  it('of writing, every point is right, whether the archive goes on or is given up', { timeout: hours }, async () => {
    const { id, copy: first } = await firstCopy()
    const copies = [first]
    const took = (await inProcess('write', await changed(id), null)) ?? 0
    const spare = (await bench.open(given).listCopies(id, contextFor().context)).at(-1)
    if (spare !== undefined) await bench.open(given).removeCopy(spare, contextFor().context)
    let killed = 0
    for (let n = 0; killed < kills && n < 3 * kills; n += 1) {
      const capture = await changed(id)
      if ((await inProcess('write', capture, Math.random() * took)) === null) killed += 1
      if (n % 3 === 2) {
        await bench.open(given).removeTemporaries({ archiveId: capture.archiveId, volumeId: id }, contextFor().context)
        expect(await bench.leftovers(capture)).toEqual([])
        const done = (await bench.open(given).listCopies(id, contextFor().context)).find(
          ({ archiveId }) => archiveId === capture.archiveId,
        )
        if (done !== undefined) await bench.open(given).removeCopy(done, contextFor().context)
        continue
      }
      const copy = await bench.verified(capture, given)
      await mustBeRight(copy, capture)
      expect(await bench.leftovers(capture)).toEqual([])
      copies.push(copy)
      if (copies.length > 3) await bench.open(given).removeCopy(copies.shift() ?? copy, contextFor().context)
    }
    expect(killed).toBe(kills)
    await mustHold(id, copies)
  })

  it('of verifying, the copy is verified by the next attempt', { timeout: hours }, async () => {
    const { id, copy: first } = await firstCopy()
    const capture = await changed(id)
    const copy = await bench.open(given).writeCopy(capture, null, contextFor().context)
    const took = (await inProcess('verify', copy, null)) ?? 0
    let killed = 0
    for (let n = 0; killed < kills && n < 3 * kills; n += 1) {
      if ((await inProcess('verify', copy, Math.random() * took)) === null) killed += 1
      if (n % 5 === 0)
        expect(await bench.open(given).verifyCopy(copy, null, contextFor().context)).toMatchObject({
          state: 'verified',
        })
    }
    expect(killed).toBe(kills)
    await mustBeRight(await bench.verified(capture, given), capture)
    await mustHold(id, [first, copy])
  })

  it(
    'of removing, the copy is gone by the next attempt, and the others are what they were',
    { timeout: hours },
    async () => {
      const { id, copy: first } = await firstCopy()
      let took: number | null = null
      let killed = 0
      for (let n = 0; killed < kills && n < 3 * kills; n += 1) {
        const capture = await changed(id)
        const copy = await bench.verified(capture, given)
        if (took === null) {
          took = (await inProcess('remove', copy, null)) ?? 0
          continue
        }
        if ((await inProcess('remove', copy, Math.random() * took)) === null) killed += 1
        const half = (await bench.open(given).listCopies(id, contextFor().context)).find(
          (one) => one.point === copy.point,
        )
        if (half !== undefined) expect(['verified', 'removing']).toContain(half.state)
        await bench.open(given).removeCopy(copy, contextFor().context)
        expect(await bench.leftovers(capture)).toEqual([])
      }
      expect(killed).toBe(kills)
      await mustHold(id, [first])
      await bench.open(given).removeCopy(first, contextFor().context)
      expect(await bench.imageOf(id)).toBeUndefined()
    },
  )
})
