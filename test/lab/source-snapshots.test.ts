/** RBD snapshots and their records as the least rights allow, and the process that reads ranges when things end badly. */
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { sourcesOptions, type RbdSourceOptions } from '../../source/options.js'
import { imageRequest, rangeRequest } from '../../source/range-requests.js'
import { openRbdObject } from '../../source/rbd-object.js'
import { listRbdSnapshots } from '../../source/rbd-queries.js'
import { readRbdRanges } from '../../source/rbd-ranges.js'
import {
  createRbdSnapshot,
  listImageMeta,
  listTrash,
  removeFromTrash,
  removeImageMeta,
  removeRbdSnapshot,
  setImageMeta,
} from '../../source/rbd-snapshots.js'
import type { Extent } from '../../source/source.js'
import { labEnvironment } from '../helpers/lab.js'
import { type Change, rbdWorkshop, type RbdWorkshop } from '../helpers/rbd-workshop.js'

const mib = 1024 * 1024
const run = promisify(execFile)
const { cephUser } = labEnvironment()
const program = fileURLToPath(new URL('../../dist/source/rbd-range-process.js', import.meta.url))
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

describe('the process that reads ranges', () => {
  let image: string
  let known: { size: number; identity: string }
  let snapshot: string

  beforeAll(async () => {
    image = await shop.create('128M')
    await shop.change(
      image,
      Array.from({ length: 32 }, (_, at): Change => ['write', at * 4 * mib, 4 * mib]),
    )
    const made = await createRbdSnapshot(access, image, 'backup.ranges.snap.1')
    snapshot = made.name
    known = { size: made.size, identity: String(made.id) }
  })

  /** Those that read this image, by what they were asked on their command line: nothing but the program. */
  function processes(): number[] {
    return readdirSync('/proc')
      .filter((pid) => /^\d+$/.test(pid))
      .filter((pid) => {
        try {
          const parent = /^PPid:\s*(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
          const isOurs = Number(parent) === process.pid
          return isOurs && readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('rbd-range-process')
        } catch {
          // it ended in between
          return false
        }
      })
      .map(Number)
  }

  it('answers a range before the next one is asked for', async () => {
    const bytes = await openRbdObject(access, { image, snapshot })
    const asked: number[] = []
    let onAnswer = (): void => undefined
    async function* ranges(): AsyncGenerator<Extent> {
      for (let offset = 0; offset < 5 * mib; offset += mib + 17) {
        const answered = new Promise<void>((resolve) => (onAnswer = resolve))
        asked.push(offset)
        yield { offset, length: 100 }
        await answered
      }
    }
    const answers: number[] = []
    for await (const { offset, ...run } of bytes.readRanges(ranges())) {
      expect('zero' in run ? run.length : run.data.length).toBe(100)
      answers.push(offset)
      onAnswer()
    }
    expect(answers).toEqual(asked)
    expect(answers).toHaveLength(5)
  })

  it('ends with an error of the ranges, an abort, or a loop that is left, and leaves no process', async () => {
    const bytes = await openRbdObject(access, { image, snapshot })
    const whole = [{ offset: 0, length: known.size }]
    async function* failing(): AsyncGenerator<Extent> {
      yield* whole
      await Promise.reject(new Error('no more ranges'))
    }
    await expect(async () => {
      for await (const run of bytes.readRanges(failing())) expect(run.offset).toBeLessThan(known.size)
    }).rejects.toThrow('no more ranges')
    expect(processes()).toEqual([])

    const aborting = new AbortController()
    await expect(async () => {
      for await (const run of bytes.readRanges(whole, aborting.signal)) {
        expect(processes()).toHaveLength(1)
        if (run.offset >= 0) aborting.abort(new Error('asked to stop'))
      }
    }).rejects.toThrow('asked to stop')
    expect(processes()).toEqual([])

    for await (const run of bytes.readRanges(whole)) if (run.offset >= 0) break
    expect(processes()).toEqual([])
    await expect(async () => {
      for await (const run of bytes.readRanges([{ offset: 0, length: known.size + 1 }]))
        expect(run.offset).toBeDefined()
    }).rejects.toMatchObject({ code: 'CK-SOURCE-ORDER' })
    expect(processes()).toEqual([])
  })

  it('is killed by an abort although the cluster does not answer', async () => {
    const away = { ...access, conf: join(shop.scratch, 'away.conf') }
    await run('sh', ['-c', `sed 's/^mon host.*/mon host = 127.0.0.1:1/' "$1" > "$2"`, '-', shop.conf, away.conf])
    const aborting = new AbortController()
    setTimeout(() => {
      aborting.abort(new Error('asked to stop'))
    }, 1500)
    await expect(async () => {
      for await (const run of readRbdRanges(away, { image, snapshot }, known, [], aborting.signal))
        expect(run).toBeNull()
    }).rejects.toThrow('asked to stop')
    expect(processes()).toEqual([])
  })

  it.each([
    ['reads', true],
    ['waits for a cluster that does not answer', false],
    ['waits for the next range', null],
  ])('dies with whoever started it while it %s', async (_, busy) => {
    const conf = busy === false ? join(shop.scratch, 'gone.conf') : shop.conf
    if (busy === false)
      await run('sh', ['-c', `sed 's/^mon host.*/mon host = 127.0.0.1:1/' "$1" > "$2"`, '-', shop.conf, conf])
    const { user, pool } = access
    const request = imageRequest({ conf, user, keyring: null, pool, image, snapshot, ...known })
    const ranges = Array.from({ length: busy === true ? 32 : 0 }, (__, at) => ({
      offset: at * 4 * mib,
      length: 4 * mib,
    }))
    const script = `
      const child = require('child_process').spawn(process.execPath, [${JSON.stringify(program)}], { stdio: ['pipe', 'pipe', 'inherit'] })
      child.stdin.write(${JSON.stringify(request + ranges.map(rangeRequest).join(''))})
      console.log(child.pid)
    `
    const parent = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] })
    const [said] = (await once(parent.stdout, 'data')) as [Buffer]
    const pid = Number(said.toString())
    await sleep(1500)
    expect(isAlive(pid)).toBe(true)
    parent.kill('SIGKILL')
    await once(parent, 'close')
    for (let waited = 0; isAlive(pid) && waited < 5000; waited += 50) await sleep(50)
    expect(isAlive(pid)).toBe(false)
  })

  it('fails as the rbd command does', async () => {
    async function failure(other: RbdSourceOptions, object = { image, snapshot }, size = known.size): Promise<unknown> {
      try {
        const ranges = [{ offset: 0, length: 1 }]
        const bytes = await openRbdObject(access, { image, snapshot })
        expect(bytes.sizeBytes).toBe(known.size)
        for await (const run of readRbdRanges(other, object, { ...known, size }, ranges)) expect(run).toBeDefined()
        return 'nothing'
      } catch (error) {
        const { explainRbdFailure } = await import('../../source/rbd-command.js')
        const explained = explainRbdFailure(error, other, object.image)
        return explained instanceof Error && 'code' in explained ? explained.code : explained
      }
    }
    expect(await failure(access)).toBe('nothing')
    expect(await failure({ ...access, conf: '/none' })).toBe('CK-SOURCE-CONF')
    expect(await failure({ ...access, user: 'none' })).toBe('CK-SOURCE-KEY')
    expect(await failure({ ...access, keyring: '/none' })).toBe('CK-SOURCE-KEY')
    expect(await failure({ ...access, pool: 'none' })).toBe('CK-SOURCE-POOL-MISSING')
    expect(await failure(access, { image: 'none', snapshot })).toBe('CK-SOURCE-IMAGE-MISSING')
    expect(await failure(access, { image, snapshot }, known.size - 1)).toBe('CK-SOURCE-COMMAND')
    expect(await failure({ ...poor, pool: 'images' })).toBe('CK-SOURCE-DENIED')
  })

  it('explains a failure by the loss of the snapshot', async () => {
    const other = await createRbdSnapshot(access, image, 'backup.ranges.snap.2')
    const bytes = await openRbdObject(access, { image, snapshot: other.name }, other.id)
    await removeRbdSnapshot(access, image, other)
    await expect(async () => {
      for await (const run of bytes.readRanges([{ offset: 0, length: 1 }])) expect(run).toBeDefined()
    }).rejects.toMatchObject({ code: 'CK-CAPTURE-LOST' })
    await createRbdSnapshot(access, image, other.name)
    await expect(async () => {
      for await (const run of bytes.readRanges([{ offset: 0, length: 1 }])) expect(run).toBeDefined()
    }).rejects.toMatchObject({ code: 'CK-CAPTURE-LOST' })
  })
})

function isAlive(pid: number): boolean {
  try {
    // a dead one whose parent does not ask stays in the table as a zombie
    return !/^State:\s*Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}
