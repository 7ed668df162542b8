/** The process with librbd when things end well and badly, and that it fails as the `rbd` command does. */
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ActName, Answer, Given } from '../../librbd/acts.js'
import { withHands, type Hands } from '../../librbd/hands.js'
import type { Place } from '../../librbd/places.js'
import { leafBytes } from '../../source/hash-fold.js'
import type { RbdAccess } from '../../source/rbd-access.js'
import { explained, placeOf } from '../../targets/ceph/asking.js'
import { labEnvironment } from '../helpers/lab.js'
import { rbdWorkshop, type RbdWorkshop } from '../helpers/rbd-workshop.js'

const mib = 1024 * 1024
const run = promisify(execFile)
const { cephUser } = labEnvironment()
const never = new AbortController().signal
const size = 32 * mib
let shop: RbdWorkshop
let access: RbdAccess
let poor: RbdAccess
/** Nobody listens where its monitor should be. */
let away: RbdAccess
let image: string

beforeAll(async () => {
  shop = await rbdWorkshop('hands')
  access = { conf: shop.conf, user: cephUser, pool: 'volumes', parents: ['images'] }
  poor = { ...access, user: `${shop.mark}-poor`, keyring: join(shop.scratch, 'keyring') }
  const caps = ['mon', 'profile rbd', 'osd', 'allow rx pool=images']
  await shop.ceph('auth', 'get-or-create', `client.${poor.user}`, ...caps, '-o', poor.keyring ?? '')
  away = { ...access, conf: join(shop.scratch, 'away.conf') }
  await run('sh', ['-c', `sed 's/^mon host.*/mon host = 127.0.0.1:1/' "$1" > "$2"`, '-', shop.conf, away.conf])
  image = await shop.create('32M')
  await shop.change(image, [['write', 0, size]])
})

afterAll(async () => {
  await shop.ceph('auth', 'rm', `client.${poor.user}`)
  await shop.clean()
})

/** The processes with librbd that this process, or another, has started. */
function processes(parent = process.pid): number[] {
  return readdirSync('/proc')
    .filter((pid) => /^\d+$/.test(pid))
    .filter((pid) => {
      try {
        const of = /^PPid:\s*(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
        return Number(of) === parent && readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('librbd/process.js')
      } catch {
        // it ended in between
        return false
      }
    })
    .map(Number)
}

function isAlive(pid: number): boolean {
  try {
    // a dead one whose parent does not ask stays in the table as a zombie
    return !/^State:\s*Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}

async function openSource(hands: Hands) {
  return hands.do('openImage', { place: placeOf(access), image, snapshot: null, write: false }, null)
}

/** The act alone, in a process of its own, its failure explained as the target explains it. */
async function alone<Name extends ActName>(
  of: RbdAccess,
  act: Name,
  given: Given<Name>,
  timeoutMs: number | null = null,
): Promise<Answer<Name>> {
  return withHands(undefined, async (hands) => explained(of, 'the-image', async () => hands.do(act, given, timeoutMs)))
}

describe('the process with librbd', () => {
  it('is one for everything that is done, and gone when that has ended well or has failed', async () => {
    const did = await withHands(never, async (hands) => {
      const { open } = await openSource(hands)
      const moved = await Promise.all(
        Array.from({ length: size / leafBytes }, async (_, leaf) =>
          hands.do(
            'moveLeaf',
            {
              from: open,
              offset: leaf * leafBytes,
              length: leafBytes,
              isLikelyHole: false,
              to: null,
              stallMs: 600_000,
            },
            null,
          ),
        ),
      )
      expect(processes()).toHaveLength(1)
      return moved.length
    })
    expect(did).toBe(8)
    expect(processes()).toEqual([])

    const failing = withHands(never, async (hands) => {
      await openSource(hands)
      expect(processes()).toHaveLength(1)
      throw new Error('of whoever uses it')
    })
    await expect(failing).rejects.toThrow('of whoever uses it')
    expect(processes()).toEqual([])
  })

  it('lets go of what was open', async () => {
    const other = await shop.create('8M')
    const place = { ...placeOf(access), user: 'admin' }
    await withHands(never, async (hands) => {
      await hands.do('openImage', { place, image: other, snapshot: null, write: true }, null)
      expect(await shop.rbd('status', `volumes/${other}`)).toContain('watcher=')
    })
    expect(await shop.rbd('status', `volumes/${other}`)).toContain('Watchers: none')
  })

  it('is not started for what is aborted before', async () => {
    const aborted = AbortSignal.abort(new Error('too late'))
    await expect(withHands(aborted, async () => Promise.resolve())).rejects.toThrow('too late')
    expect(processes()).toEqual([])
  })

  it('is killed by an abort while it reads', async () => {
    const aborting = new AbortController()
    const reading = withHands(aborting.signal, async (hands) => {
      const { open } = await openSource(hands)
      for (let leaf = 0; ; leaf = (leaf + 1) % 8) {
        const extent = { offset: leaf * leafBytes, length: leafBytes }
        const given = { from: open, ...extent, isLikelyHole: false, to: null, stallMs: 600_000 }
        await hands.do('moveLeaf', given, null)
        if (leaf === 5) aborting.abort(new Error('asked to stop'))
      }
    })
    await expect(reading).rejects.toThrow('asked to stop')
    expect(processes()).toEqual([])
  })

  it('is killed by an abort although the cluster does not answer, and the act throws the reason', async () => {
    const aborting = new AbortController()
    let thrown: unknown
    const waiting = withHands(aborting.signal, async (hands) => {
      const answer = hands.do('snapshots', { place: placeOf(away), image }, null)
      setTimeout(() => {
        aborting.abort(new Error('asked to stop'))
      }, 1500)
      await answer.catch((error: unknown) => (thrown = error))
      // told when it is dead, not before
      expect(processes()).toEqual([])
      return answer
    })
    await expect(waiting).rejects.toThrow('asked to stop')
    expect(thrown).toBe(aborting.signal.reason)
  })

  it('is ended when an act takes too long, and does nothing afterwards', async () => {
    await withHands(never, async (hands) => {
      const away_ = hands.do('fsid', placeOf(away), 1000)
      await expect(explained(away, '', async () => away_)).rejects.toMatchObject({ code: 'CK-SOURCE-AWAY' })
      expect(processes()).toEqual([])
      await expect(hands.do('fsid', placeOf(access), null)).rejects.toThrow('it took longer than 1 s')
    })
  })

  it('that somebody else kills fails what it was asked for', async () => {
    await withHands(never, async (hands) => {
      const { open } = await openSource(hands)
      const waiting = hands.do('fsid', placeOf(away), null)
      const [pid] = processes()
      if (pid === undefined) throw new Error('no process')
      process.kill(pid, 'SIGKILL')
      await expect(waiting).rejects.toMatchObject({
        code: 'CK-SOURCE-COMMAND',
        message: expect.stringContaining('SIGKILL') as unknown,
      })
      await expect(hands.do('flush', { open }, null)).rejects.toMatchObject({ code: 'CK-SOURCE-COMMAND' })
    })
  })

  it.each(['reads', 'waits for a cluster that does not answer', 'is idle'])(
    'dies with whoever started it while it %s',
    async (what) => {
      const hands = pathToFileURL(join(import.meta.dirname, '../../dist/librbd/hands.js')).href
      const place: Place = placeOf(what.startsWith('waits') ? away : access)
      const script = `
        import { withHands } from ${JSON.stringify(hands)}
        const place = ${JSON.stringify(place)}
        await withHands(undefined, async (hands) => {
          ${
            what === 'reads'
              ? `const { open } = await hands.do('openImage', { place, image: ${JSON.stringify(image)}, snapshot: null, write: false }, null)
                 const read = async () => hands.do('moveLeaf', { from: open, offset: 0, length: ${leafBytes}, isLikelyHole: false, to: null, stallMs: 600000 }, null)
                 await read()
                 console.log('begun')
                 for (;;) await Promise.all([read(), read(), read()])`
              : what === 'is idle'
                ? `await hands.do('fsid', place, null)
                   console.log('begun')
                   await new Promise((resolve) => setTimeout(resolve, 1e9))`
                : `const answer = hands.do('fsid', place, null)
                   setTimeout(() => console.log('begun'), 1500)
                   await answer`
          }
        })
      `
      const parent = spawn(process.execPath, ['--input-type=module', '-e', script], {
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      await once(parent.stdout, 'data')
      const [pid] = processes(parent.pid)
      if (pid === undefined) throw new Error('no process')
      expect(isAlive(pid)).toBe(true)
      parent.kill('SIGKILL')
      await once(parent, 'close')
      for (let waited = 0; isAlive(pid) && waited < 10_000; waited += 50) await sleep(50)
      expect(isAlive(pid)).toBe(false)
    },
  )
})

describe('a failure in the process', () => {
  it.each<[string, () => RbdAccess]>([
    ['CK-SOURCE-CONF', () => ({ ...access, conf: '/none' })],
    ['CK-SOURCE-KEY', () => ({ ...access, user: 'none' })],
    ['CK-SOURCE-KEY', () => ({ ...access, keyring: '/none' })],
    ['CK-SOURCE-KEY', () => ({ ...access, keyring: poor.keyring })],
    ['CK-SOURCE-POOL-MISSING', () => ({ ...access, pool: 'none' })],
    ['CK-SOURCE-DENIED', () => poor],
  ])('is explained as that of the rbd command: %s', async (code, make) => {
    const of = make()
    const place = placeOf(of)
    // what librados says of a key comes by another way than the answer: not only the first time
    for (let time = 0; time < 4; time += 1) {
      await expect(alone(of, 'imageInfo', { place, image })).rejects.toMatchObject({ code })
    }
  })

  it('says that an image is missing, whatever is done with it', async () => {
    const at = { place: placeOf({ ...access, user: 'admin' }), image: 'none' }
    const missing = { code: 'CK-SOURCE-IMAGE-MISSING' }
    await expect(alone(access, 'imageInfo', at)).rejects.toMatchObject(missing)
    await expect(alone(access, 'openImage', { ...at, snapshot: null, write: false })).rejects.toMatchObject(missing)
    await expect(alone(access, 'metadata', at)).rejects.toMatchObject(missing)
    await expect(alone(access, 'setMeta', { at, key: 'ck.a', value: '' })).rejects.toMatchObject(missing)
    await expect(alone(access, 'removeImage', at)).rejects.toMatchObject(missing)
    await expect(alone(access, 'createSnapshot', { at, name: 'a' })).rejects.toMatchObject(missing)
    await expect(alone(access, 'watchers', at)).rejects.toMatchObject(missing)
  })

  it('is denied where only reading is allowed', async () => {
    // the user with the least rights on tenants' volumes
    const at = { place: placeOf(access), image }
    const denied = { code: 'CK-SOURCE-DENIED' }
    await expect(alone(access, 'removeImage', at)).rejects.toMatchObject(denied)
    await expect(
      alone(access, 'putObject', { place: at.place, name: shop.mark, bytes: Buffer.alloc(1) }),
    ).rejects.toMatchObject(denied)
    expect((await alone(access, 'imageInfo', at)).size).toBe(size)
  })

  it('leaves the process to others: what is not there is told with its errno, and the next act works', async () => {
    const place = placeOf(access)
    await withHands(never, async (hands) => {
      const unknown = hands.do('removeSnapshot', { at: { place, image }, id: 2 ** 40 }, null)
      await expect(unknown).rejects.toMatchObject({ code: 'CK-SOURCE-COMMAND', exitCode: 2 })
      const noSnapshot = hands.do('openImage', { place, image, snapshot: 'none', write: false }, null)
      await expect(noSnapshot).rejects.toMatchObject({ exitCode: 2 })
      await expect(hands.do('flush', { open: 77 }, null)).rejects.toMatchObject({ exitCode: null })
      expect((await hands.do('imageInfo', { place, image }, null)).size).toBe(size)
    })
  })

  it('names the act, the image and how to look by hand, and no secret', async () => {
    const failing = withHands(never, async (hands) =>
      hands.do('removeSnapshot', { at: { place: placeOf(access), image }, id: 2 ** 40 }, null),
    )
    await expect(failing).rejects.toMatchObject({
      message: expect.stringContaining(`librbd: removeSnapshot in volumes/${image}`) as unknown,
      cure: expect.stringContaining(`ceph -s --conf ${shop.conf} --id ${cephUser}`) as unknown,
    })
  })

  it('of many leaves at once is told of each', async () => {
    await withHands(never, async (hands) => {
      const { open } = await openSource(hands)
      const beyond = { from: open, offset: size, length: leafBytes, isLikelyHole: false, to: null, stallMs: 600_000 }
      const all = await Promise.allSettled(Array.from({ length: 20 }, async () => hands.do('moveLeaf', beyond, 60_000)))
      // EINVAL for each: the last ones do not wait for memory that the first ones have
      expect(all.map((one) => one.status === 'rejected' && (one.reason as { exitCode: unknown }).exitCode)).toEqual(
        Array.from({ length: 20 }, () => 22),
      )
    })
  })
})
