/** RBD snapshots and their records, as the least rights allow. */
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { sourcesOptions, type RbdSourceOptions } from '../../source/options.js'
import { listAllRbdSnapshots, listRbdSnapshots } from '../../source/rbd-queries.js'
import {
  createRbdSnapshot,
  listImageMeta,
  listTrash,
  removeFromTrash,
  removeImageMeta,
  removeRbdSnapshot,
  setImageMeta,
} from '../../source/rbd-snapshots.js'
import { labEnvironment } from '../helpers/lab.js'
import { rbdWorkshop, type RbdWorkshop } from '../helpers/rbd-workshop.js'

const mib = 1024 * 1024
const { cephUser } = labEnvironment()
let shop: RbdWorkshop
let access: RbdSourceOptions
let admin: RbdSourceOptions
let poor: RbdSourceOptions

beforeAll(async () => {
  shop = await rbdWorkshop('snaps')
  const entry = { match: '*', kind: 'rbd', conf: shop.conf, user: cephUser, pool: 'volumes', parents: ['images'] }
  access = sourcesOptions.parse([entry])[0] as RbdSourceOptions
  admin = { ...access, user: 'admin' }
  // reads, and nothing else
  poor = { ...access, user: `${shop.mark}-poor`, keyring: join(shop.scratch, 'keyring') }
  const caps = ['mon', 'profile rbd', 'osd', 'allow rx pool=volumes']
  await shop.ceph('auth', 'get-or-create', `client.${poor.user}`, ...caps, '-o', poor.keyring ?? '')
})

afterAll(async () => {
  await shop.ceph('auth', 'rm', `client.${poor.user}`)
  await shop.clean()
})

describe('an RBD snapshot of ours', () => {
  it('is made once, however often it is asked for, and is gone however often it is removed', async () => {
    const image = await shop.create('8M')
    const name = `backup.${shop.mark}.snap.1`
    const made = await createRbdSnapshot(access, image, name)
    expect(made).toMatchObject({ name, size: 8 * mib })
    expect(await createRbdSnapshot(access, image, name)).toEqual(made)
    const many = await Promise.all([1, 2, 3].map(async () => createRbdSnapshot(access, image, `${name}2`)))
    expect(new Set(many.map(({ id }) => id)).size).toBe(1)
    expect(await listRbdSnapshots(access, image)).toHaveLength(2)

    // one of the name that is not ours any more stays
    expect(await removeRbdSnapshot(access, image, { name, id: made.id + 1 })).toBe(false)
    expect(await listRbdSnapshots(access, image)).toHaveLength(2)
    expect(await removeRbdSnapshot(access, image, made)).toBe(true)
    expect(await removeRbdSnapshot(access, image, made)).toBe(false)
    expect(await removeRbdSnapshot(access, image, { name: `${name}2` })).toBe(true)
    expect(await removeRbdSnapshot(access, `${image}-none`, made)).toBe(false)
    await expect(createRbdSnapshot(access, `${image}-none`, name)).rejects.toMatchObject({
      code: 'CK-SOURCE-IMAGE-MISSING',
    })
  })

  it('is removed although an earlier removal was broken off, after which it has another name', async () => {
    const image = await shop.create('64M')
    await createRbdSnapshot(access, image, 'backup.a.snap.1')
    await shop.breakOffRemoval(image, 'backup.a.snap.1')
    const going = (await listAllRbdSnapshots(access, image)).find((one) => one.isGoing)
    expect(going?.name).toBe('backup.a.snap.1')
    expect(await listRbdSnapshots(access, image)).toEqual([])
    expect(await removeRbdSnapshot(access, image, { name: 'backup.a.snap.1', id: going?.id })).toBe(true)
    expect(await listAllRbdSnapshots(access, image)).toEqual([])
  })

  it('is refused to a user who may only read, with the rights that are missing', async () => {
    const image = await shop.create('8M')
    await expect(createRbdSnapshot(poor, image, 'backup.a.snap.1')).rejects.toMatchObject({
      code: 'CK-SOURCE-DENIED',
      cure: expect.stringContaining('allow rwx pool=volumes object_prefix rbd_header') as unknown,
    })
    const made = await createRbdSnapshot(access, image, 'backup.a.snap.1')
    await expect(removeRbdSnapshot(poor, image, made)).rejects.toMatchObject({ code: 'CK-SOURCE-DENIED' })
    await expect(setImageMeta(poor, image, 'ck.a', '{}')).rejects.toMatchObject({ code: 'CK-SOURCE-DENIED' })
  })

  it('has its record in the metadata of the image', async () => {
    const image = await shop.create('8M')
    expect(await listImageMeta(access, image)).toEqual(new Map())
    const record = JSON.stringify({ archive: 'volume/é "quoted" \\ \n', bases: ['a', 'b'], long: 'x'.repeat(20_000) })
    await setImageMeta(access, image, 'ck.one', 'first')
    await setImageMeta(access, image, 'ck.one', record)
    await setImageMeta(access, image, 'ck.two', '{}')
    expect(await listImageMeta(access, image)).toEqual(
      new Map([
        ['ck.one', record],
        ['ck.two', '{}'],
      ]),
    )
    await removeImageMeta(access, image, 'ck.one')
    await removeImageMeta(access, image, 'ck.one')
    expect([...(await listImageMeta(access, image)).keys()]).toEqual(['ck.two'])
    await expect(listImageMeta(access, `${image}-none`)).rejects.toMatchObject({ code: 'CK-SOURCE-IMAGE-MISSING' })
  })

  it('is found and removed on an image that waits in the trash for it', async () => {
    const image = await shop.create('8M')
    await shop.change(image, [['write', 0, 2 * mib]])
    const made = await createRbdSnapshot(access, image, 'backup.a.snap.1')
    await shop.rbd('trash', 'mv', `volumes/${image}`)
    const trashed = (await listTrash(access)).find(({ name }) => name === image)
    if (trashed === undefined) throw new Error('not in the trash')
    const inTrash = { id: trashed.id }
    try {
      expect(await listRbdSnapshots(access, inTrash)).toEqual([
        expect.objectContaining({ id: made.id, name: made.name }),
      ])
      await expect(removeFromTrash(admin, inTrash)).rejects.toMatchObject({ code: 'CK-SOURCE-COMMAND' })
      expect(await removeRbdSnapshot(access, inTrash, made)).toBe(true)
      expect(await removeRbdSnapshot(access, inTrash, made)).toBe(false)
    } finally {
      await shop.rbd('snap', 'purge', '--no-progress', '--pool', 'volumes', '--image-id', trashed.id)
      await removeFromTrash(admin, inTrash)
    }
    await removeFromTrash(admin, inTrash)
    expect((await listTrash(access)).filter(({ name }) => name === image)).toEqual([])
    expect(await removeRbdSnapshot(access, inTrash, made)).toBe(false)
  })
})
