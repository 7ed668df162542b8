/** Captures by RBD snapshots, and what tenants do meanwhile, on a real Cinder and a real Ceph. */
import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { volumeImage, writeRbd } from '../helpers/lab.js'
import {
  acts,
  archiveOf,
  begin,
  deleted,
  depsOf,
  end,
  lab,
  mib,
  newVolume,
  ours,
  readWhile,
  records,
  rootOf,
  snapshotOf,
} from './capture-bench.js'

beforeAll(begin)
afterAll(end)

describe('a capture by RBD snapshot', () => {
  it('is one snapshot that says whose it is, found again by the next attempt, and leaves nothing when released', async () => {
    const id = await newVolume()
    const archive = await archiveOf(id)
    const capture = await archive.take()
    const { archiveId, capturedBy } = archive.request
    const name = `backup.${archiveId}.snap.${capturedBy.seconds}`
    expect(capture).toMatchObject({ maker: 'rbd', snapshotName: name, sizeBytes: 2 ** 30, consistency: 'detached' })
    expect(capture.watchers).toBe('none')
    expect(await archive.take()).toEqual(capture)
    expect(await ours(id)).toEqual([name])
    expect(await records(id)).toEqual([`ck.${archiveId}`])
    await archive.release(capture)
    await archive.release(capture)
    expect(await ours(id)).toEqual([])
    expect(await records(id)).toEqual([])
  })

  it('becomes the one base of its targets, and the older one goes', async () => {
    const id = await newVolume()
    const [first, second, third] = [await archiveOf(id), await archiveOf(id), await archiveOf(id)]
    const one = await first.take()
    await first.release(one, ['second', 'third'])
    expect(await ours(id)).toEqual([one.snapshotName])
    const two = await second.take()
    await second.release(two, ['second'])
    expect(await ours(id)).toEqual([one.snapshotName, two.snapshotName])
    const three = await third.take()
    await third.release(three, ['third', 'second'])
    expect(await ours(id)).toEqual([three.snapshotName])
    expect(await records(id)).toEqual([`ck.${third.request.archiveId}`])
    await deleted(id)
  })
})

describe.each(Object.keys(acts))('a tenant’s %s', (what) => {
  const perform = acts[what] ?? (async () => undefined)

  it('works while a capture exists, while it is read and with a base present, and changes none of them', async () => {
    const id = await newVolume()
    if (what === 'revert') await snapshotOf(id)
    const first = await archiveOf(id)
    const base = await first.take()
    const rootOfBase = await rootOf(base)
    await first.release(base, ['second'])
    await writeRbd(lab, volumeImage(id), 40 * mib, randomBytes(mib))

    const second = await archiveOf(id)
    const capture = await second.take()
    const root = await rootOf(capture)
    expect(root).not.toBe(rootOfBase)
    expect(await readWhile(capture, async () => perform(id))).toBe(root)
    expect(await rootOf(base)).toBe(rootOfBase)
    await second.release(capture, ['second'])
    expect(await ours(id)).toEqual([capture.snapshotName])

    // and afterwards it is captured as before
    const third = await archiveOf(id)
    const after = await third.take()
    expect(after.sizeBytes).toBe((what === 'extend' ? 2 : 1) * 2 ** 30)
    await third.release(after)
    expect(await ours(id)).toEqual([capture.snapshotName])
    expect(await rootOf(capture)).toBe(root)
  })

  it('works between the capture’s record and its snapshot', async () => {
    const id = await newVolume()
    if (what === 'revert') await snapshotOf(id)
    const deps = depsOf()
    const archive = await archiveOf(id, {
      ...deps,
      imagesOf: (host) => {
        const images = deps.imagesOf(host)
        if (images === undefined) return undefined
        return {
          ...images,
          createSnapshot: async (image, name) => {
            await perform(id)
            return images.createSnapshot(image, name)
          },
        }
      },
    })
    const capture = await archive.take()
    expect(capture.sizeBytes).toBe((what === 'extend' ? 2 : 1) * 2 ** 30)
    await archive.release(capture, ['second'])
    expect(await ours(id)).toEqual([capture.snapshotName])
  })
})
