import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Volume } from '../openstack/cinder.js'
import { silentLog } from '../log/log.js'
import { cinder } from '../openstack/cinder.js'
import { loadCloud } from '../openstack/clouds-yaml.js'
import { connectCloud } from '../openstack/session.js'
import { archiveNowUpdate, volumeWorkflowId, type ArchiveNow, type Protection } from '../workflows/messages.js'
import { consumersOf } from './broker.js'
import type { Stage } from './stage.js'
import { tenantOf, type Tenant } from './tenant.js'
import { pointsOf, statusOf, waitFor, waitForCopies } from './watch.js'

/** The volumes that the pictures are of. */
export interface Scene {
  /** Protected, with several points. */
  ledger: Volume
  /** Its archive waits for a backup that Cinder does not finish. */
  warehouse: Volume
  /** Cinder refuses to make its backup, again and again. */
  returns: Volume
  /** Its backup failed. */
  invoices: Volume
  /** Its copy is damaged. */
  notes: Volume
}

/** Three tenants, and volumes in every state that an operator meets; when it returns, all of them are in it. */
export async function setScene(stage: Stage): Promise<Scene> {
  const { sandbox, roles } = stage
  for (const role of ['listener', 'control', 'mover'] as const) roles.start(role)
  await waitFor('the listener', async () => ((await consumersOf(stage.amqpUrl, stage.queue)) > 0 ? true : null))
  const payments = await tenantOf(sandbox, 'payments')
  const research = await tenantOf(sandbox, 'research')
  const web = await tenantOf(sandbox, 'web')

  const [ledger] = await Promise.all([
    goodVolume(stage, payments, 'ledger', 3),
    goodVolume(stage, payments, 'orders', 1),
    goodVolume(stage, research, 'results', 2),
    newVolume(stage, web, 'shop'),
    newVolume(stage, web, 'shop-2024').then((volume) => deleteVolume(stage, volume)),
    forcedVolume(stage, web),
  ])
  return { ledger, ...(await troubles(stage, payments, research)) }
}

async function goodVolume(stage: Stage, tenant: Tenant, name: string, points: number): Promise<Volume> {
  const volume = await tenant.createVolume(name)
  for (let count = 1; count <= points; count += 1) {
    await tenant.use(volume)
    await waitForCopies(stage, volume, 'verified', count)
  }
  return volume
}

async function newVolume(stage: Stage, tenant: Tenant, name: string): Promise<Volume> {
  const volume = await tenant.createVolume(name)
  await waitForCopies(stage, volume, 'verified')
  return volume
}

/** Its copy cannot be compared with anything; a person asks for it. */
async function forcedVolume(stage: Stage, web: Tenant): Promise<void> {
  const uploads = await web.createVolume('uploads')
  await waitFor('the creation of uploads to be looked at', async () => {
    const status = await statusOf(stage, uploads.id)
    return status?.policy === 'uploads' && status.burst === null ? true : pause()
  })
  const args: [ArchiveNow] = [{ id: randomUUID(), targets: null }]
  await stage.client.workflow.getHandle(volumeWorkflowId(uploads.id)).executeUpdate(archiveNowUpdate, { args })
  await waitFor('an unverified copy of uploads', async () => {
    const points = await pointsOf(stage, uploads.id)
    return points.length > 0 ? true : pause()
  })
}

async function deleteVolume(stage: Stage, volume: Volume): Promise<void> {
  const cloud = await loadCloud({ env: stage.sandbox.envOf('web'), cwd: '/', home: '/' })
  await cinder(connectCloud(cloud, { log: silentLog })).deleteVolume(volume.id)
  await untilProtection(stage, volume, 'source-gone')
}

/** What stands still stays as it is; what fails is tried again after a minute, so it comes last. */
async function troubles(stage: Stage, payments: Tenant, research: Tenant): Promise<Omit<Scene, 'ledger'>> {
  const { faults, state } = stage.sandbox
  const warehouse = await payments.createVolume('warehouse')
  faults.add({ kind: 'stuck', work: 'backup.create' })
  await payments.use(warehouse)
  await waitFor('a backup that is stuck', () =>
    [...state.backups.values()].some(({ status }) => status === 'creating') ? true : pause(),
  )

  const returns = await payments.createVolume('returns')
  const refused = faults.add({
    ...{ kind: 'status', status: 503, method: 'POST', path: '/backups$', body: returns.id, count: 1000 },
    message: 'No server is available to handle this request.',
  })
  await payments.use(returns)
  await waitFor('a backup that is refused', () =>
    faults.list().some(({ id, hits }) => id === refused && hits > 1) ? true : pause(),
  )

  const notes = await research.createVolume('notes')
  const invoices = await payments.createVolume('invoices')
  faults.add({ kind: 'damage-backup', how: 'flip' })
  await research.use(notes)
  await untilProtection(stage, notes, 'failing')

  const reason = "rados: error writing to pool 'backups': [errno 28] No space left on device"
  faults.add({ kind: 'fail', work: 'backup.create', reason, count: 1000 })
  await payments.use(invoices)
  await untilProtection(stage, invoices, 'failing')
  return { warehouse, returns, notes, invoices }
}

async function untilProtection(stage: Stage, volume: Volume, wanted: Protection): Promise<void> {
  await waitFor(`${volume.name} to be ${wanted}`, async () =>
    (await statusOf(stage, volume.id))?.protection === wanted ? true : pause(),
  )
}

async function pause(): Promise<null> {
  await sleep(250)
  return null
}
