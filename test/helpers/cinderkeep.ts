import { execFile } from 'node:child_process'
import { randomBytes, randomUUID } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { consumersOf, removeQueues } from '../../demo/broker.js'
import { createRoles, type Roles } from '../../demo/roles.js'
import { isCloudError } from '../../openstack/errors.js'
import { projectRoot } from '../../setup/project.js'
import { createNamespace, prepareNamespace, removeNamespace } from '../../setup/temporal-namespace.js'
import type { RecoveryPoint } from '../../workflows/messages.js'
import { archiveWorkflowPrefix, pointsQuery, volumeWorkflowId, workflowTypes } from '../../workflows/messages.js'
import type { Lab } from './lab.js'
import { labCloud, listOf, removeBackups, waitFor } from './lab-cloud.js'
import { connectTemporal, type TestTemporal } from './temporal.js'

/** Cinderkeep as it is delivered, on the lab: its processes, its command, and what it says of a volume. */
export interface Cinderkeep {
  installation: string
  temporal: TestTemporal
  roles: Roles
  /** Where all processes log, one JSON object a line. */
  logFile: string
  queue: string
  /** `cinderkeep ARGUMENTS…` as a person would type it. */
  command(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }>
  /** What the volume's workflow knows, newest first; none while nobody answers for it. */
  points(volumeId: string): Promise<RecoveryPoint[]>
  /** Waits until the volume has so many points with a copy in that state; these, newest first. */
  pointsWith(volumeId: string, state: 'verified' | 'damaged', count: number): Promise<RecoveryPoint[]>
  /** Ids of the volume's archives, running and ended. */
  archives(volumeId: string): Promise<string[]>
  /** Returns when none of the volume's archives runs: what they made on the way is removed by then. */
  archivesEnded(volumeId: string): Promise<void>
  /** Ends the processes and removes the backups, snapshots and queues that they made. */
  close(): Promise<void>
}

/**
 * Starts listener, control and mover, one process each, with a target `cinder` and this configuration's policies.
 * @param given.targets beside `cinder`
 * @param given.controlTargets the same as the control worker has them, where it knows less of them
 * @param given.cinderUrl instead of the catalogue's address of Cinder
 * @param given.quiesce starts an agent for this libvirt too, and listens to Nova
 * @param given.pace instead of a pace that is short, yet longer than a busy machine makes anybody wait
 */
export async function startCinderkeep(
  lab: Lab,
  given: {
    policies: Record<string, unknown>
    cinderUrl?: string
    targets?: Record<string, unknown>
    pace?: Record<string, string>
    controlTargets?: Record<string, unknown>
    quiesce?: { uri: string; limit?: string }
  },
): Promise<Cinderkeep> {
  const dir = await mkdtemp(join(tmpdir(), 'cinderkeep-acceptance-'))
  const installation = randomUUID()
  const queue = `ck-acceptance-${randomBytes(4).toString('hex')}`
  const configFile = join(dir, 'cinderkeep.yaml')
  const quiesce = given.quiesce && { limit: '10s', ...given.quiesce, dir: join(dir, 'quiesce') }
  await writeFile(configFile, configuration(lab, { installation, queue, ...given, quiesce }))
  const { controlTargets = given.targets ?? {} } = given
  const controlFile = join(dir, 'control.yaml')
  await writeFile(controlFile, configuration(lab, { installation, queue, ...given, quiesce, targets: controlTargets }))
  const address = process.env['TEMPORAL_ADDRESS']
  if (address === undefined) throw new Error('TEMPORAL_ADDRESS is not set: run this test with `npm run test:lab`')
  // policies are applied to a namespace: each configuration needs its own
  await createNamespace(address, queue)
  await prepareNamespace(address, queue)
  const temporal = await connectTemporal(queue)
  const env: NodeJS.ProcessEnv = {
    ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(OS_|CINDERKEEP_|NO_COLOR)/.test(name))),
    ...lab.os,
    ...(given.cinderUrl !== undefined && { OS_BLOCK_STORAGE_ENDPOINT_OVERRIDE: given.cinderUrl }),
    AMQP_URL: lab.amqpUrl,
    TEMPORAL_ADDRESS: temporal.address,
    TEMPORAL_NAMESPACE: temporal.namespace,
  }
  const logFile = join(dir, 'cinderkeep.log')
  const roles = createRoles({ configFile, controlFile, env, logFile })
  for (const role of ['listener', 'control', 'mover'] as const) roles.start(role)
  if (quiesce) roles.start('quiesce')
  await waitFor('the listener', async () => ((await consumersOf(lab.amqpUrl, queue)) === 1 ? true : null))

  const points = async (volumeId: string): Promise<RecoveryPoint[]> => {
    const handle = temporal.client.workflow.getHandle(volumeWorkflowId(volumeId))
    // nobody answers while no worker runs, or before the first notification
    return temporal.client.withDeadline(Date.now() + 5000, () => handle.query(pointsQuery)).catch(() => [])
  }
  const archivesOf = async (volumeId: string, also = '') => {
    const prefix = archiveWorkflowPrefix(volumeId)
    const query = `WorkflowType = '${workflowTypes.archiveVolume}' AND WorkflowId STARTS_WITH '${prefix}' ${also}`
    return (await listOf(temporal.client.workflow.list({ query }))).map(({ workflowId }) => workflowId)
  }
  return {
    ...{ installation, temporal, roles, logFile, queue, points },
    command: (...args) => command(env, [...args, '--config', configFile]),
    pointsWith: async (volumeId, state, count) =>
      waitFor(`${String(count)} ${state} points of volume ${volumeId}; see ${logFile}`, async () => {
        const found = (await points(volumeId)).filter((point) => point.copies.some((copy) => copy.state === state))
        return found.length >= count ? found : null
      }),
    archives: (volumeId) => archivesOf(volumeId),
    archivesEnded: async (volumeId) =>
      waitFor(`the archives of volume ${volumeId} to end; see ${logFile}`, async () => {
        const running = await archivesOf(volumeId, `AND ExecutionStatus = 'Running'`)
        return running.length === 0 ? true : null
      }).then(() => undefined),
    async close() {
      try {
        await roles.stop()
      } finally {
        await removeQueues(lab.amqpUrl, queue)
        await temporal.close()
        await removeNamespace(address, queue)
        await removeWhatItMade(lab, installation)
        if (process.env['CK_KEEP_LOGS'] === undefined) await rm(dir, { recursive: true })
      }
    },
  }
}

function configuration(
  lab: Lab,
  given: {
    installation: string
    queue: string
    policies: unknown
    targets?: Record<string, unknown>
    pace?: Record<string, string>
    quiesce?: Record<string, string> | undefined
  },
): string {
  const {
    installation,
    queue,
    policies,
    quiesce,
    targets = {},
    pace = { heartbeat: '10s', firstRetry: '6s', unclear: '20s' },
  } = given
  const exchanges = ['openstack', ...(quiesce ? ['nova'] : [])]
  return stringify({
    installation,
    listen: { queue, bind: exchanges.map((exchange) => ({ exchange, topics: ['notifications'] })) },
    ...(quiesce && { quiesce }),
    sources: [{ match: '*@ceph#*', kind: 'rbd', conf: lab.cephConf.prod, user: lab.cephUser, pool: 'volumes' }],
    targets: {
      cinder: {
        ...{ kind: 'cinder-backup', restoreRetrySeconds: 5 },
        ...(lab.backupDriver === 'posix' && { driver: 'chunked' }),
      },
      ...targets,
    },
    policies,
    pace,
    drain: '10s',
  })
}

async function command(env: NodeJS.ProcessEnv, args: string[]) {
  const main = join(projectRoot, 'dist', 'cli', 'main.js')
  return new Promise<{ code: number; stdout: string; stderr: string }>((resolve, reject) => {
    execFile(process.execPath, [main, ...args], { env, timeout: 240_000 }, (error, stdout, stderr) => {
      if (error === null) resolve({ code: 0, stdout, stderr })
      else if (typeof error.code === 'number') resolve({ code: error.code, stdout, stderr })
      else reject(new Error(`cinderkeep ${args.join(' ')} did not end by itself: ${stderr}`, { cause: error }))
    })
  })
}

/** By its mark: also what a failed test left. */
async function removeWhatItMade(lab: Lab, installation: string): Promise<void> {
  const admin = await labCloud(lab, lab.os)
  const ours = ({ metadata }: { metadata: Record<string, string> }) => metadata['ck:installation'] === installation
  await removeBackups(admin, new Set((await listOf(admin.listBackups())).filter(ours).map(({ id }) => id)))
  for (const { id } of (await listOf(admin.listVolumes())).filter(ours)) await admin.deleteVolume(id)
  for (const { id } of (await listOf(admin.listSnapshots())).filter(ours)) {
    await waitFor(`snapshot ${id} to be gone`, async () => {
      try {
        if ((await admin.getSnapshot(id)).status !== 'deleting') await admin.deleteSnapshot(id)
        return null
      } catch (error) {
        if (isCloudError(error, 'CK-SNAPSHOT-GONE')) return true
        throw error
      }
    })
  }
  admin.session.close()
}
