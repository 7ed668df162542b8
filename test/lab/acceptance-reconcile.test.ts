/** Issue 4, "Shown by" 1: the cloud's broker dies and our queue is deleted; `reconcile` finds what was lost, and names it. */
import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { connect } from 'amqplib'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { consumersOf } from '../../demo/broker.js'
import type { Volume } from '../../openstack/cinder.js'
import { projectRoot } from '../../setup/project.js'
import type { Finding, ReconcileReport } from '../../workflows/report-messages.js'
import { startCinderkeep, type Cinderkeep } from '../helpers/cinderkeep.js'
import { labEnvironment, labService, tenantOs } from '../helpers/lab.js'
import {
  attachWhile,
  labCloud,
  listOf,
  newVolume,
  removeVolumes,
  volumeIs,
  waitFor,
  type LabCloud,
} from '../helpers/lab-cloud.js'

const run = promisify(execFile)
const lab = labEnvironment()
const tag = `reconcile-${randomUUID().slice(0, 8)}`
let cinderkeep: Cinderkeep
let tenant: LabCloud
const mine: string[] = []

beforeAll(async () => {
  tenant = await labCloud(lab, tenantOs(lab, 'payments'))
  cinderkeep = await startCinderkeep(lab, {
    policies: {
      payments: {
        where: { project: ['payments'], name: [`${tag}-*`] },
        on: ['volume.create.end', 'volume.detach.end'],
        settle: '1s',
        copies: [{ target: 'cinder' }],
      },
    },
  })
})

afterAll(async () => {
  await cinderkeep.close()
  await removeVolumes(tenant, mine)
  tenant.session.close()
})

async function created(name: string): Promise<Volume> {
  const volume = await newVolume(tenant, `${tag}-${name}`)
  mine.push(volume.id)
  return volume
}

/** Volumes that an archive was verified of, before anything went wrong. */
async function archived(name: string): Promise<Volume> {
  const volume = await created(name)
  await cinderkeep.pointsWith(volume.id, 'verified', 1)
  await cinderkeep.archivesEnded(volume.id)
  return volume
}

/** What the runs so far, the schedule's as well, said of our volumes. */
const named = new Map<string, Finding>()

async function reconcileNow(): Promise<ReconcileReport> {
  const { code, stdout, stderr } = await cinderkeep.command('reconcile', '--json')
  // of a slow machine it tells its progress there
  expect({ code, stderr }).toEqual({ code: 0, stderr: expect.stringMatching(/^(reconcile: .*\n?)*$/) as string })
  const { client } = cinderkeep.temporal
  for await (const { workflowId, status } of client.workflow.list({ query: `WorkflowType = 'reconcile'` })) {
    if (status.name !== 'COMPLETED') continue
    const { found } = (await client.workflow.getHandle(workflowId).result()) as ReconcileReport
    for (const one of found) if (mine.includes(one.volume)) named.set(one.volume, one)
  }
  return JSON.parse(stdout) as ReconcileReport
}

/** While nobody listens, and without what the broker may have kept for us. */
async function withoutOurQueue(act: () => Promise<void>): Promise<void> {
  await cinderkeep.roles.kill('listener')
  await waitFor('the broker to notice', async () =>
    (await consumersOf(lab.amqpUrl, cinderkeep.queue)) === 0 ? true : null,
  )
  const connection = await connect(lab.amqpUrl)
  await (await connection.createChannel()).deleteQueue(cinderkeep.queue)
  await connection.close()
  await act()
  cinderkeep.roles.start('listener')
  await waitFor('the listener', async () => ((await consumersOf(lab.amqpUrl, cinderkeep.queue)) === 1 ? true : null))
}

/**
 * A creation that is asked for while the broker is away: its answer may be lost, the volume is not. Cinder's API is held
 * until the broker is back with all its queues: what it hands to an exchange without queues is lost, and the volume stays
 * `creating` for ever.
 */
async function createdWhileDead(): Promise<Volume> {
  const name = `${tag}-while-dead`
  await labService(lab, 'kill', 'rabbit')
  const answered = tenant.createVolume({ name, sizeGib: 1 }).catch(() => undefined)
  const { id } = await waitFor(`volume ${name}`, async () => (await listOf(tenant.listVolumes({ name })))[0] ?? null)
  mine.push(id)
  await labService(lab, 'pause', 'cinder-api')
  await labService(lab, 'start', 'rabbit').finally(() => labService(lab, 'continue', 'cinder-api'))
  await answered
  return volumeIs(tenant, id, 'available')
}

/** What Cinder tells from now on reaches the listener: its broker says so. */
async function isBound(): Promise<true | null> {
  const args = ['rabbitmqctl', '--quiet', '--no-table-headers', 'list_bindings', 'source_name', 'destination_name']
  const { stdout } = await run(join(projectRoot, 'lab', 'lab'), args, { env: { ...process.env, LAB: lab.dir } })
  return stdout.split('\n').includes(`openstack\t${cinderkeep.queue}`) ? true : null
}

it('finds and names each volume of which the broker told nobody, and nothing is lost', async () => {
  const [used, deleted, untouched] = [await archived('used'), await archived('deleted'), await archived('untouched')]
  const lost: Volume[] = []

  await withoutOurQueue(async () => {
    lost.push(await created('unheard'))
    await attachWhile(tenant, used.id, async () => undefined)
    await volumeIs(tenant, used.id, 'available')
    await removeVolumes(tenant, [deleted.id])
    lost.push(await createdWhileDead())
    lost.push(await created('after-restart'))
  })
  await waitFor('the listener to bind its queue again', isBound)

  const lostIds = [used.id, deleted.id, ...lost.map(({ id }) => id)]
  await waitFor('reconcile to name all that was lost', async () => {
    await reconcileNow()
    return lostIds.every((id) => named.has(id)) ? true : null
  })
  expect(lostIds.map((id) => named.get(id)?.why)).toEqual(['missed', 'gone', 'unwatched', 'unwatched', 'unwatched'])
  expect(named.get(used.id)).toMatchObject({ name: `${tag}-used`, project: 'payments', untold: null })
  expect(named.has(untouched.id)).toBe(false)

  for (const volume of lost) await cinderkeep.pointsWith(volume.id, 'verified', 1)
  await cinderkeep.pointsWith(used.id, 'verified', 2)
  // the copies of the deleted one are kept
  expect(await cinderkeep.points(deleted.id)).toHaveLength(1)
  expect(await cinderkeep.archives(untouched.id)).toHaveLength(1)

  for (const id of [used.id, ...lost.map((one) => one.id)]) await cinderkeep.archivesEnded(id)
  await waitFor('nothing to be found', async () => {
    const { found } = await reconcileNow()
    return found.some(({ volume }) => mine.includes(volume)) ? null : true
  })
}, 900_000)
