/** Ways to a wrong copy with exit code 0 (design section 7), each done to the target; none may ever be verified. For "inherited" see target-ceph-inherited. */
import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { leafBytes } from '../../source/hash-fold.js'
import { extentRecord, headRecords } from '../../targets/ceph/import-diff.js'
import type { Copy } from '../../targets/target.js'
import { before } from '../helpers/faulty-hands.js'
import { fullVolumes } from '../helpers/full-volumes.js'
import { labEnvironment, listRbdSnapshots, volumeImage } from '../helpers/lab.js'
import { rbdActs } from '../helpers/rbd-hands.js'
import { cephBench, type CephBench } from '../targets/ceph-bench.js'
import { contextFor } from '../targets/contract.js'

const run = promisify(execFile)
const lab = labEnvironment()
const mib = 2 ** 20
const size = 64 * mib

let bench: CephBench
beforeAll(async () => {
  bench = await cephBench(lab)
})
afterAll(async () => {
  await bench.end()
})

const { write, fullVolume, copiesOf, verify, mustBeSame } = fullVolumes(lab, () => bench)

describe('torn: the capture is deleted while it is read', () => {
  it.each(['whole', 'changes'])('makes no copy when the source is read by its %s', async (way) => {
    const id = await fullVolume()
    if (way === 'changes') await bench.verified(await bench.captureOf(id))
    await write(id, 0, size)
    const capture = await bench.captureOf(id)
    const had = await copiesOf(id)
    const wrap = before('moveLeaf', 0, async () => {
      await bench.release(capture)
      await write(id, 0, size)
    })
    const writing = bench.open({ wrap }).writeCopy(capture, null, contextFor().context)
    await expect(writing).rejects.toMatchObject({ code: 'CK-CAPTURE-LOST' })
    expect(await copiesOf(id)).toEqual(had)
    const image = (await bench.imageOf(id)) ?? ''
    expect((await listRbdSnapshots(lab, 'backup', image)).filter((name) => name.includes(capture.archiveId))).toEqual(
      [],
    )
    await bench.open().removeTemporaries({ archiveId: capture.archiveId, volumeId: id }, contextFor().context)
    expect(await bench.leftovers(capture)).toEqual([])
    // and the next one is right, whatever the torn one left on the head
    const next = await bench.captureOf(id)
    const copy = await bench.verified(next)
    expect(copy.state).toBe('verified')
    await mustBeSame(copy, next)
  })
})

describe('a base that is removed while the source is asked what changed since', () => {
  it('is none: the source is read whole', async () => {
    const id = await fullVolume()
    const first = await bench.captureOf(id)
    await bench.verified(first)
    await write(id, 8 * mib, mib)
    const capture = await bench.captureOf(id)
    const copy = await bench.verified(capture, { wrap: before('moveLeaf', 0, async () => bench.release(first)) })
    expect(copy).toMatchObject({ state: 'verified', basePoint: null })
    await mustBeSame(copy, capture)
  })
})

describe('an image that is half there', () => {
  it('is removed with what an archive left', async () => {
    const id = await bench.newVolume(64)
    await write(id, 0, mib)
    const copy = await bench.verified(await bench.captureOf(id))
    const image = (await bench.imageOf(id)) ?? ''
    const { id: imageId } = JSON.parse(await bench.rbd('backup', 'info', '--format', 'json', image)) as { id: string }
    await bench.rados('rm', `rbd_header.${imageId}`)
    const { archiveId } = copy
    await bench.open().removeTemporaries({ archiveId, volumeId: id }, contextFor().context)
    expect(await bench.imageOf(id)).toBeUndefined()
  })
})

describe('zombie: a writer that was given up for dead goes on', () => {
  it('is shut out when it wakes up, and spoils nothing', async () => {
    const id = await fullVolume()
    await bench.verified(await bench.captureOf(id))
    await write(id, 0, 32 * mib)
    const old = await bench.captureOf(id)
    let pid = 0
    const wrap = before('moveLeaf', 24 * mib, async () => {
      pid = await writerPid()
      process.kill(pid, 'SIGSTOP')
    })
    const first = bench.open({ wrap }).writeCopy(old, null, contextFor().context)
    const failed = first.catch((error: unknown) => error)
    await expect.poll(() => pid, { timeout: 60_000 }).toBeGreaterThan(0)

    await write(id, 16 * mib, 8 * mib)
    const later = await bench.captureOf(id)
    const copy = await bench.verified(later)
    expect(copy.state).toBe('verified')
    process.kill(pid, 'SIGCONT')
    // ESHUTDOWN: not that it saw another's record, but that the cluster took nothing from it any more
    expect(await failed).toMatchObject({ exitCode: 108 })
    const again = await verify(copy)
    expect(again).toMatchObject({ state: 'verified' })
    expect(again.readBytes).toBe(size)
    await mustBeSame(copy, later)
    // nor is the head trusted afterwards
    await write(id, 40 * mib, mib)
    const next = await bench.captureOf(id)
    const nextCopy = await bench.verified(next)
    expect(nextCopy).toMatchObject({ state: 'verified', basePoint: copy.point })
    await mustBeSame(nextCopy, next)
    expect(await copiesOf(id)).toHaveLength(3)
  })

  it('that no fence can know of is found by what the target says was touched', async () => {
    const id = await fullVolume()
    await bench.verified(await bench.captureOf(id))
    await write(id, 0, mib)
    await bench.verified(await bench.captureOf(id))
    await write(id, 0, mib)
    const capture = await bench.captureOf(id)
    // block 11 is not in its turn
    const wrap = before('createSnapshot', 0, async () => writeBehindBack(id, 44 * mib))
    expect(await bench.verified(capture, { wrap })).toMatchObject({
      state: 'damaged',
      reason: expect.stringContaining('46137344') as string,
    })
    // nothing was left out by the source: the copies that it was built upon are no worse for it
    await write(id, 0, mib)
    const next = await bench.captureOf(id)
    const copy = await bench.verified(next)
    await mustBeSame(copy, next)
    const states = (await copiesOf(id)).map(({ state }) => state)
    expect(states).toEqual(['verified', 'verified', 'damaged', 'verified'])
  })

  it('does not replace the copy of the attempt that took over', async () => {
    const id = await fullVolume()
    const capture = await bench.captureOf(id)
    let second: Copy | undefined
    const wrap = before('createSnapshot', 0, async () => {
      second = await bench.verified(capture)
    })
    const first = bench.open({ wrap }).writeCopy(capture, null, contextFor().context)
    await expect(first).rejects.toThrow()
    expect(second).toMatchObject({ state: 'verified' })
    expect(await copiesOf(id)).toEqual([second])
    expect(await bench.leftovers(capture)).toEqual([])
  })

  /** The one process with librbd that this one has started. */
  async function writerPid(): Promise<number> {
    const { stdout } = await run('pgrep', ['-P', String(process.pid), '-f', 'librbd/process.js'])
    return Number(stdout.trim())
  }

  /** As a process would that began long ago: no watch of it was there when others were shut out. */
  async function writeBehindBack(volumeId: string, offset: number): Promise<void> {
    const length = 8192
    const path = join(tmpdir(), `${volumeId}.diff`)
    const head = { from: null, to: null, size }
    const bytes = Buffer.alloc(length, 7)
    const stream = [headRecords(head), extentRecord('w', { offset, length }), bytes, Buffer.from('e')]
    await writeFile(path, Buffer.concat(stream))
    await bench.rbd('backup', 'import-diff', '--no-progress', path, (await bench.imageOf(volumeId)) ?? '')
  }
})

describe('leftover: an attempt was cut off, and the guest discarded what it had written', () => {
  it.each(['thrown', 'killed'])('is taken off the head again (%s)', async (way) => {
    // the base has nothing there: once it is discarded, the source has nothing to say of it
    const id = await bench.newVolume(64)
    await write(id, 0, 16 * mib)
    const base = await bench.verified(await bench.captureOf(id))
    await write(id, 16 * mib, 16 * mib)
    const cut = await bench.captureOf(id)
    const killing = contextFor()
    const wrap = before('moveLeaf', 30 * mib - leafBytes, async () => {
      // what was begun is on the image a moment later
      await delay(1_500)
      if (way === 'thrown') throw new Error('cut off')
      killing.abort.abort(new Error('killed'))
    })
    await expect(bench.open({ wrap }).writeCopy(cut, null, killing.context)).rejects.toThrow()
    const image = (await bench.imageOf(id)) ?? ''
    const dirt = await bench.rbd('backup', 'diff', '--from-snap', base.ref['snapshot'] ?? '', image)
    expect(dirt.trim()).not.toBe('')

    await rbdActs(lab, 'prod', volumeImage(id), [{ act: 'discard', offset: 16 * mib, length: 16 * mib }])
    const next = await bench.captureOf(id)
    const copy = await bench.verified(next)
    expect(copy).toMatchObject({ state: 'verified', basePoint: base.point })
    await mustBeSame(copy, next)
  })
})
