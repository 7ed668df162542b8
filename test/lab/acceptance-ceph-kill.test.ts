/**
 * Movers that copy from Ceph to Ceph die by SIGKILL at random moments of archives, through Temporal: each archive ends with
 * a verified point all the same, and nothing is left beside it. `CK_MOVER_KILLS` says how many.
 */
import { randomBytes, randomUUID } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { archiveIdOf } from '../../activities/archive-id.js'
import type { Volume } from '../../openstack/cinder.js'
import type { RecoveryPoint } from '../../workflows/messages.js'
import { cephHands, type CephHands } from '../helpers/ceph-hands.js'
import { startCinderkeep, type Cinderkeep } from '../helpers/cinderkeep.js'
import { descendantsOf, living } from '../helpers/descendants.js'
import { dice, moments, seedOfThisRun } from '../helpers/dice.js'
import { labEnvironment, rbdJson, tenantOs, volumeImage } from '../helpers/lab.js'
import {
  attachWhile,
  labCloud,
  listOf,
  newVolume,
  removeVolumes,
  waitFor,
  type LabCloud,
} from '../helpers/lab-cloud.js'

const lab = labEnvironment()
const mib = 2 ** 20
const kills = Number(process.env['CK_MOVER_KILLS'] ?? 5)
const seed = seedOfThisRun()
const roll = dice(seed)
const tag = `acceptance-${randomUUID().slice(0, 8)}`

let cinderkeep: Cinderkeep
let tenant: LabCloud
let prod: CephHands
let backup: CephHands
let dir: string
let volume: Volume
/** What the volume held at each archive, the first one first. */
const contents: string[] = []
/** From the detachment to the end of an archive that nobody disturbs. */
let tookMs = 0

beforeAll(async () => {
  tenant = await labCloud(lab, tenantOs(lab, 'payments'))
  prod = cephHands(lab, 'prod')
  backup = cephHands(lab, 'backup')
  dir = await mkdtemp(join(tmpdir(), 'ck-acceptance-kill-'))
  const macKey = { file: join(dir, 'mac.key') }
  await writeFile(macKey.file, randomBytes(64), { mode: 0o600 })
  const users = { write: 'ck-write', remove: 'ck-remove' }
  // slow enough that moving bytes is a good part of the whole
  const limited = { bandwidth: '24MiB' }
  cinderkeep = await startCinderkeep(lab, {
    targets: { second: { kind: 'ceph', conf: lab.cephConf.backup, users, pool: 'archives', macKey, ...limited } },
    pace: { heartbeat: '5s', firstRetry: '1s', unclear: '20s' },
    policies: {
      payments: {
        where: { project: ['payments'], name: [`${tag}-*`] },
        on: ['volume.detach.end'],
        settle: '1s',
        copies: [{ target: 'second' }],
      },
    },
  })
  volume = await newVolume(tenant, `${tag}-db`)
})

afterAll(async () => {
  const image = await imageOfCopies()
  const left = await trees()
  await cinderkeep.close()
  await removeVolumes(tenant, [volume.id])
  tenant.session.close()
  if (image !== null) await backup.remove(image)
  await backup.removeObjects('archives', left)
  await Promise.all([prod.end(), backup.end()])
  await rm(dir, { recursive: true })
})

let points: RecoveryPoint[] = []

async function imageOfCopies(): Promise<string | null> {
  const found = (await backup.images('archives')).find((name) => name.startsWith(`ck-${volume.id}-`))
  return found === undefined ? null : `archives/${found}`
}

/** Of all archives that there were, also of those that did not come to a point: `archive/<volume>/<slot>/<try>`. */
async function trees(): Promise<string[]> {
  const ids = (await cinderkeep.archives(volume.id)).map((name) => {
    const [, slot = '', attempt = ''] = /^archive\/[^/]+\/(.*)\/(\d+)$/.exec(name) ?? []
    return archiveIdOf(cinderkeep.installation, volume.id, slot, Number(attempt))
  })
  expect(points.every(({ archiveId }) => ids.includes(archiveId))).toBe(true)
  return (await backup.objects('archives', 'ck-tree.')).filter((name) => ids.some((id) => name.includes(id)))
}

/** The tenant uses the volume; its detachment asks for an archive. */
async function use(): Promise<void> {
  await attachWhile(tenant, volume.id, async () => {
    const writes = Array.from({ length: 3 }, () => ({
      ...({ act: 'write', seed: roll(2 ** 30) } as const),
      offset: roll(1008 * mib),
      length: 8 * mib + roll(8 * mib),
    }))
    await prod.act(volumeImage(volume.id), [...writes, { act: 'discard', offset: roll(1000 * mib), length: 4 * mib }])
  })
  contents.push(await prod.content(volumeImage(volume.id), 'objects'))
}

async function archived(): Promise<void> {
  points = await cinderkeep.pointsWith(volume.id, 'verified', contents.length)
  await cinderkeep.archivesEnded(volume.id)
}

it('archives it, undisturbed', async () => {
  await use()
  const begun = performance.now()
  await archived()
  tookMs = performance.now() - begun
})

it.each(moments(kills, roll).map((moment, at) => ({ moment, n: at + 1 })))(
  `archives it though the mover is killed on the way (CK_SEED=${seed}, kill $n)`,
  async ({ moment }) => {
    const before = (await cinderkeep.archives(volume.id)).length
    await use()
    await waitFor('an archive', async () => ((await cinderkeep.archives(volume.id)).length > before ? true : null))
    await delay(moment * tookMs)
    const family = await descendantsOf(cinderkeep.roles.pid('mover') ?? 0)
    await cinderkeep.roles.kill('mover')
    await expect.poll(async () => living(family), { timeout: 60_000, interval: 100 }).toEqual([])
    cinderkeep.roles.start('mover')
    await archived()
    expect(points).toHaveLength(contents.length)
    expect(points.map(({ copies }) => copies.map(({ state }) => state))).toEqual(points.map(() => ['verified']))
  },
)

it('left nothing beside the points, on the volume the base of the next copy alone', async () => {
  const source = await prod.look(volumeImage(volume.id))
  const newest = points[0]?.copies[0]
  expect(source?.snapshots.map(({ name }) => name)).toEqual([
    expect.stringContaining(`backup.${newest?.archiveId ?? ''}.snap.`),
  ])
  expect(source?.records.filter((key) => key.startsWith('ck.'))).toEqual([`ck.${newest?.archiveId ?? ''}`])
  expect(source?.watchers).toEqual([])
  expect(await listOf(tenant.listSnapshots({ volumeId: volume.id }))).toEqual([])

  const copies = points.flatMap(({ copies }) => copies).reverse()
  const there = await backup.look((await imageOfCopies()) ?? '')
  expect(there?.snapshots.map(({ name }) => name)).toEqual(copies.map(({ ref }) => ref['snapshot']))
  expect(there?.records.filter((key) => !/^ck\..*\.(manifest|mark|reading)$/.test(key))).toEqual([])
  expect(there?.records.filter((key) => key.endsWith('.manifest'))).toHaveLength(copies.length)
  // a copy of 1 GiB has one
  expect(await trees()).toHaveLength(copies.length)
  await expect.poll(async () => (await backup.look((await imageOfCopies()) ?? ''))?.watchers).toEqual([])
})

it('holds at every point what the volume held', async () => {
  const image = (await imageOfCopies()) ?? ''
  const found = points.map(async ({ copies }) =>
    backup.content(`${image}@${copies[0]?.ref['snapshot'] ?? ''}`, 'objects'),
  )
  expect((await Promise.all(found)).reverse()).toEqual(contents)
})

it('is deleted by its tenant without a trace', async () => {
  await removeVolumes(tenant, [volume.id])
  const trash = (await rbdJson(lab, 'prod', ['trash', 'ls', '--all', 'volumes'])) as { name: string }[]
  expect(trash.filter(({ name }) => name.includes(volume.id))).toEqual([])
})
