/** The whole way past Cinder's backup nodes: from Cinder's notification to a proven copy on the second Ceph cluster. */
import { execFile } from 'node:child_process'
import { randomBytes, randomUUID } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Volume } from '../../openstack/cinder.js'
import { volumeWorkflowId, type RecoveryPoint } from '../../workflows/messages.js'
import { startCinderkeep, type Cinderkeep } from '../helpers/cinderkeep.js'
import {
  labEnvironment,
  listRbdSnapshots,
  rbdJson,
  sha256OfRbd,
  tenantOs,
  volumeImage,
  writeRbd,
} from '../helpers/lab.js'
import { attachWhile, labCloud, listOf, newVolume, removeVolumes, type LabCloud } from '../helpers/lab-cloud.js'

const run = promisify(execFile)
const lab = labEnvironment()
const mib = 2 ** 20
const tag = `acceptance-${randomUUID().slice(0, 8)}`
let cinderkeep: Cinderkeep
let tenant: LabCloud
let dir: string
let volume: Volume
const mine: string[] = []
const images = new Set<string>()

beforeAll(async () => {
  tenant = await labCloud(lab, tenantOs(lab, 'payments'))
  dir = await mkdtemp(join(tmpdir(), 'ck-acceptance-ceph-'))
  const macKey = { file: join(dir, 'mac.key') }
  await writeFile(macKey.file, randomBytes(64), { mode: 0o600 })
  const users = { write: 'ck-write', remove: 'ck-remove' }
  const second = { kind: 'ceph', conf: lab.cephConf.backup, users, pool: 'archives', macKey }
  const nowhere = join(dir, 'not-here')
  cinderkeep = await startCinderkeep(lab, {
    targets: { second },
    // neither the way to the cluster of the copies nor the MAC key is the control worker's
    controlTargets: { second: { ...second, conf: nowhere, macKey: { file: nowhere } } },
    policies: {
      payments: {
        where: { project: ['payments'], name: [`${tag}-*`] },
        on: ['volume.create.end', 'volume.detach.end'],
        settle: '1s',
        copies: [{ target: 'second' }],
      },
    },
  })
})

afterAll(async () => {
  await cinderkeep.close()
  await removeVolumes(tenant, mine)
  tenant.session.close()
  for (const image of images) {
    const rbd = async (...args: string[]) => run('rbd', ['-c', lab.cephConf.backup, ...args])
    await rbd('snap', 'purge', '--no-progress', image)
    await rbd('rm', '--no-progress', image)
  }
  await rm(dir, { recursive: true })
})

function copyOf(point: RecoveryPoint | undefined): string {
  const { image = '', snapshot = '' } = point?.copies[0]?.ref ?? {}
  images.add(`archives/${image}`)
  return `archives/${image}@${snapshot}`
}

it('is archived and proven, with one RBD snapshot left as the base of the next copy', async () => {
  volume = await newVolume(tenant, `${tag}-db`)
  mine.push(volume.id)
  const [point] = await cinderkeep.pointsWith(volume.id, 'verified', 1)
  await cinderkeep.archivesEnded(volume.id)
  expect(point).toMatchObject({ consistency: 'detached', sizeBytes: 2 ** 30 })
  expect(await sha256OfRbd(lab, 'backup', copyOf(point))).toBe(await sha256OfRbd(lab, 'prod', volumeImage(volume.id)))
  expect(await listRbdSnapshots(lab, 'prod', volumeImage(volume.id))).toHaveLength(1)
  expect(await listOf(tenant.listSnapshots({ volumeId: volume.id }))).toEqual([])
})

it('is archived again after it was used, from what changed alone', async () => {
  await attachWhile(tenant, volume.id, async () => {
    for (const at of [0, 77 * mib + 4096, 1023 * mib]) {
      await writeRbd(lab, volumeImage(volume.id), at, randomBytes(mib))
    }
  })
  const [second, first] = await cinderkeep.pointsWith(volume.id, 'verified', 2)
  await cinderkeep.archivesEnded(volume.id)
  expect(second?.copies[0]?.basePoint).toBe(first?.point)
  expect(second?.copies[0]?.writtenBytes).toBeLessThan(16 * mib)
  expect(await sha256OfRbd(lab, 'backup', copyOf(second))).toBe(await sha256OfRbd(lab, 'prod', volumeImage(volume.id)))
  expect(await listRbdSnapshots(lab, 'prod', volumeImage(volume.id))).toHaveLength(1)
})

it('is known again, with all its points, when its workflow was terminated', async () => {
  const before = await cinderkeep.points(volume.id)
  const entity = cinderkeep.temporal.client.workflow.getHandle(volumeWorkflowId(volume.id))
  await entity.terminate('an operator’s click')
  await attachWhile(tenant, volume.id, async () => undefined)
  const after = await cinderkeep.pointsWith(volume.id, 'verified', 3)
  await cinderkeep.archivesEnded(volume.id)
  expect(after.slice(1).map(({ point }) => point)).toEqual(before.map(({ point }) => point))
})

it('is read back again by a person', async () => {
  const { code } = await cinderkeep.command('verify', `${volume.id}@latest`)
  expect(code).toBe(0)
})

it('is told of on the command line', async () => {
  const { code, stdout } = await cinderkeep.command('show', `${volume.id}@latest`)
  expect(code).toBe(0)
  expect(stdout).toContain('rbd --conf')
})

it('is deleted by its tenant without a trace, and its copies stay', async () => {
  await removeVolumes(tenant, [volume.id])
  const trash = (await rbdJson(lab, 'prod', ['trash', 'ls', '--all', 'volumes'])) as { name: string }[]
  expect(trash.filter(({ name }) => name.includes(volume.id))).toEqual([])
  const points = await cinderkeep.points(volume.id)
  expect(points.map(({ copies }) => copies.map(({ state }) => state))).toEqual([
    ['verified'],
    ['verified'],
    ['verified'],
  ])
})
