/** A tenant deletes a volume at any moment of its capture, on a real Cinder and a real Ceph. */
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { MoveDeps } from '../../activities/move-activities.js'
import { CodedError } from '../../errors/coded-error.js'
import { silentLog } from '../../log/log.js'
import type { Capture } from '../../targets/target.js'
import { waitFor } from '../helpers/lab-cloud.js'
import { listImages, volumeImage } from '../helpers/lab.js'
import {
  admin,
  archiveOf,
  begin,
  deleted,
  depsOf,
  end,
  lab,
  newVolume,
  payments,
  rbd,
  readWhile,
  rootOf,
  trashed,
  type Archive,
} from './capture-bench.js'

beforeAll(begin)
afterAll(end)

describe('a tenant’s delete', () => {
  it('is complete with a base present', async () => {
    const id = await newVolume()
    const archive = await archiveOf(id)
    await archive.release(await archive.take(), ['second'])
    await deleted(id)
  })

  it('is complete while a capture exists beside a base, and the archive ends without a trace', async () => {
    const id = await newVolume()
    const first = await archiveOf(id)
    await first.release(await first.take(), ['second'])
    const second = await archiveOf(id)
    const capture = await second.take()
    await deleted(id)
    await second.release(capture, ['second'])
    expect(await trashed(id)).toEqual([])
    await expect(rootOf(capture)).rejects.toThrow(CodedError)
  })

  it('is complete while a capture is read; what was read is thrown away', async () => {
    const id = await newVolume()
    const archive = await archiveOf(id)
    const capture = await archive.take()
    await expect(readWhile(capture, async () => deleted(id))).rejects.toMatchObject({ code: 'CK-CAPTURE-LOST' })
    await archive.release(capture)
    expect(await trashed(id)).toEqual([])
  })

  it('between planning and capture leaves nothing to do', async () => {
    const id = await newVolume()
    const archive = await archiveOf(id)
    await deleted(id)
    await expect(archive.take()).rejects.toMatchObject({ code: 'CK-VOLUME-GONE' })
    await archive.release(null)
  })

  it('at the very moment of the capture leaves no image that waits in the trash for us', async () => {
    for (const pauseMs of [0, 150, 300, 450, 600, 800]) {
      const id = await newVolume()
      // with a user for the trash: without one the rest of it is told, see below
      const archive = await archiveOf(id, depsOf('trash'))
      const taking = archive.take().catch((error: unknown) => error)
      await sleep(pauseMs)
      await payments.deleteVolume(id)
      const taken = await taking
      await archive.release(taken instanceof Error ? null : (taken as Capture))
      await waitFor('the delete', async () =>
        admin.getVolume(id).then(
          () => null,
          () => true,
        ),
      )
      // what the delete left after our first look, the second one after the unclear time finds
      await archive.release(null)
      expect(await listImages(lab, 'prod', 'volumes')).not.toContain(`volume-${id}`)
      expect(await trashed(id)).toEqual([])
    }
  })
})

describe('an image that waits in the trash', () => {
  async function inTrash(): Promise<{ id: string; archive: Archive; capture: Capture; image: string }> {
    const id = await newVolume()
    const archive = await archiveOf(id)
    const capture = await archive.take()
    // as Cinder does when a snapshot appears after it removed those that it knows
    await rbd('trash', 'mv', volumeImage(id))
    await deletedFromCinder(id)
    const [image = ''] = await trashed(id)
    expect(image).not.toBe('')
    return { id, archive, capture, image }
  }

  async function deletedFromCinder(id: string): Promise<void> {
    await payments.deleteVolume(id)
    await waitFor('the delete', async () =>
      admin.getVolume(id).then(
        () => null,
        () => true,
      ),
    )
  }

  it('because of our snapshot is freed, snapshot and image', async () => {
    const { id, archive, capture } = await inTrash()
    await archive.release(capture, [], depsOf('trash'))
    expect(await trashed(id)).toEqual([])
  })

  it('is held by nothing of ours any more where the mover may not delete data, which is told', async () => {
    const { id, archive, capture, image } = await inTrash()
    const told: unknown[] = []
    const log = { ...silentLog, warn: (fields: object) => told.push(fields) } as unknown as MoveDeps['log']
    await archive.release(capture, [], { ...depsOf(), log })
    expect(told).toMatchObject([{ code: 'CK-TRASH-LEFT', volume: id, id: image }])
    expect(JSON.parse(await rbd('snap', 'ls', '--pool', 'volumes', '--image-id', image, '--format', 'json'))).toEqual(
      [],
    )
  })

  it('for another reason is left where it is', async () => {
    const id = await newVolume()
    await rbd('trash', 'mv', volumeImage(id))
    const archive = await archiveOf(id, depsOf(), 120)
    await deletedFromCinder(id)
    await archive.release(null, [], depsOf('trash'))
    expect(await trashed(id)).toHaveLength(1)
  })
})
