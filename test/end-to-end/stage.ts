/** Cinderkeep's real processes with a Temporal namespace, a queue and a cloud of their own. */
import { Client, Connection } from '@temporalio/client'
import { randomUUID } from 'node:crypto'
import { mkdir, mkdtemp, open, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { stringify } from 'yaml'
import { consumersOf, removeQueues } from '../../demo/broker.js'
import { createRoles, type RoleName, type Roles } from '../../demo/roles.js'
import { tenantOf, type Tenant } from '../../demo/tenant.js'
import { runCommand, type Outcome } from '../../setup/command.js'
import { projectRoot } from '../../setup/project.js'
import { silentLog } from '../../log/log.js'
import { loadCloud } from '../../openstack/clouds-yaml.js'
import type { Volume } from '../../openstack/cinder.js'
import { connectCloud, type CloudSession } from '../../openstack/session.js'
import type { Delays } from '../../sandbox/cloud.js'
import { startSandbox, type Sandbox } from '../../sandbox/sandbox.js'
import { createNamespace, prepareNamespace, removeNamespace } from '../../setup/temporal-namespace.js'
import { hashBytes } from '../../source/hash-bytes.js'
import type { RecoveryPoint, VolumeStatus } from '../../workflows/messages.js'
import { pointsQuery, statusQuery, volumeWorkflowId } from '../../workflows/messages.js'
import { testAmqpUrl } from '../helpers/rabbit.js'

const mib = 2 ** 20
const mainFile = join(projectRoot, 'dist', 'cli', 'main.js')

export interface Stage {
  sandbox: Sandbox
  client: Client
  roles: Roles
  /** The cloud's admin. */
  admin: CloudSession
  /** `cinderkeep ARGUMENTS…` as a person would type it. */
  command(...args: string[]): Promise<Outcome>
  amqpUrl: string
  /** Cinderkeep's own, on that broker. */
  queue: string
  /** A tenant of one of the sandbox's projects. */
  tenant(project: string): Promise<Tenant>
  logFile: string
  close(): Promise<void>
}

export interface StageOptions {
  driver?: 'ceph' | 'chunked'
  /** Which roles run at first; the listener is always waited for. */
  roles?: RoleName[]
  /** How long a request to the cloud may take. */
  timeoutSeconds: number
  /** Options of the target `cinder` besides its driver. */
  target?: Record<string, unknown>
  /** Instead of the usual ones. */
  policies?: Record<string, unknown>
  /** How large the file of a GiB is. */
  bytesPerGib?: number
  /** How long Cinder works, in milliseconds, where it matters. */
  delays?: Delays
}

/** All volumes are protected; those that are `archive: gold` not already when they are created. */
const policies = {
  gold: {
    where: { metadata: { archive: 'gold' } },
    on: ['volume.detach.end'],
    settle: '1s',
    copies: [{ target: 'cinder' }],
  },
  rest: { on: ['volume.create.end', 'volume.detach.end'], settle: '1s', copies: [{ target: 'cinder' }] },
}

export async function openStage(options: StageOptions): Promise<Stage> {
  const address = process.env['TEMPORAL_ADDRESS']
  if (address === undefined) throw new Error('TEMPORAL_ADDRESS is not set: run this test with `npm test -- <path>`')
  /** What to undo, last first; all of it, whatever fails. */
  const undo: (() => Promise<void>)[] = []
  const close = async (): Promise<void> => {
    const troubles: unknown[] = []
    for (const act of undo.reverse()) await act().catch((error: unknown) => troubles.push(error))
    if (troubles.length > 0) throw troubles[0]
  }
  try {
    const name = `ck-e2e-${randomUUID()}`
    const dir = await mkdtemp(join(tmpdir(), 'ck-e2e-'))
    undo.push(() => rm(dir, { recursive: true, force: true }))
    await createNamespace(address, name)
    undo.push(() => removeNamespace(address, name))
    await prepareNamespace(address, name)
    const amqpUrl = testAmqpUrl()
    undo.push(() => removeQueues(amqpUrl, name))
    const volumes = join(dir, 'volumes')
    await mkdir(volumes)
    const sandbox = await startSandbox({
      ...{ dir: volumes, amqpUrl, topic: `${name}-notifications`, driver: options.driver ?? 'ceph' },
      ...(options.bytesPerGib !== undefined && { bytesPerGib: options.bytesPerGib }),
      delays: options.delays ?? { 'backup.create': 1500, 'backup.restore': 500 },
    })
    undo.push(() => sandbox.close())
    const unlimited = sandbox.state.quotas.values().next().value
    if (unlimited === undefined) throw new Error('nobody is unlimited')
    for (const id of sandbox.state.projects.keys()) sandbox.state.quotas.set(id, unlimited)
    const connection = await Connection.connect({ address })
    undo.push(() => connection.close())
    const admin = connectCloud(await loadCloud({ env: sandbox.env, cwd: dir, home: dir }), { log: silentLog })
    undo.push(async () => {
      admin.close()
    })
    const config = await configure(dir, { name, address, amqpUrl, sandbox, volumes }, options)
    const roles = createRoles({ configFile: config.file, logFile: logFileIn(dir), env: config.env })
    for (const role of options.roles ?? ['listener', 'control', 'mover']) roles.start(role)
    undo.push(() => roles.stop())
    await until('the listener', async () => (await consumersOf(amqpUrl, name)) > 0)
    return {
      ...{ sandbox, roles, admin, close, amqpUrl, queue: name, logFile: logFileIn(dir) },
      command: (...args) =>
        runCommand(process.execPath, [mainFile, ...args, '--config', config.file], { env: config.env }),
      client: new Client({ connection, namespace: name }),
      tenant: (project) => tenantOf(sandbox, project),
    }
  } catch (error) {
    await close()
    throw error
  }
}

const logFileIn = (dir: string): string => join(dir, 'cinderkeep.log')

async function configure(
  dir: string,
  place: { name: string; address: string; amqpUrl: string; sandbox: Sandbox; volumes: string },
  options: StageOptions,
): Promise<{ file: string; env: NodeJS.ProcessEnv }> {
  const { env } = place.sandbox
  const clouds = {
    sandbox: {
      auth: {
        auth_url: env['OS_AUTH_URL'],
        username: env['OS_USERNAME'],
        password: env['OS_PASSWORD'],
        project_name: env['OS_PROJECT_NAME'],
        user_domain_name: 'Default',
        project_domain_name: 'Default',
      },
      region_name: env['OS_REGION_NAME'],
      api_timeout: options.timeoutSeconds,
    },
  }
  const configFile = join(dir, 'cinderkeep.yaml')
  await writeFile(join(dir, 'clouds.yaml'), stringify({ clouds }))
  await writeFile(
    configFile,
    stringify({
      installation: randomUUID(),
      cloud: 'sandbox',
      listen: { queue: place.name, bind: [place.sandbox.bind] },
      sources: [{ match: '*@files#*', kind: 'file', dir: place.volumes }],
      targets: { cinder: { kind: 'cinder-backup', driver: options.driver ?? 'ceph', ...options.target } },
      policies: options.policies ?? policies,
      pace: { heartbeat: '5s', firstRetry: '1s', unclear: '20s' },
      drain: '10s',
      // a test asks for it itself
      reconcile: '24h',
      log: 'debug',
    }),
  )
  const kept = Object.entries(process.env).filter(([key]) => !/^(OS_|TEMPORAL_|CINDERKEEP_)/.test(key))
  return {
    file: configFile,
    env: {
      ...Object.fromEntries(kept),
      OS_CLIENT_CONFIG_FILE: join(dir, 'clouds.yaml'),
      AMQP_URL: place.amqpUrl,
      TEMPORAL_ADDRESS: place.address,
      TEMPORAL_NAMESPACE: place.name,
    },
  }
}

/** Looks again and again; the error says what did not come true. */
export async function until(what: string, look: () => Promise<boolean> | boolean, seconds = 240): Promise<void> {
  const end = performance.now() + seconds * 1000
  while (!(await look())) {
    if (performance.now() > end) throw new Error(`waited ${seconds} s in vain for ${what}`)
    await sleep(25)
  }
}

/** What a volume's workflow says; null while there is none, or no worker answers for it. */
export async function statusOf({ client }: Stage, { id }: Volume): Promise<VolumeStatus | null> {
  return asked(client, () => client.workflow.getHandle(volumeWorkflowId(id)).query(statusQuery))
}

export async function pointsOf({ client }: Stage, { id }: Volume): Promise<RecoveryPoint[]> {
  return (await asked(client, () => client.workflow.getHandle(volumeWorkflowId(id)).query(pointsQuery))) ?? []
}

async function asked<T>(client: Client, query: () => Promise<T>): Promise<T | null> {
  await sleep(500)
  try {
    return await client.withDeadline(Date.now() + 5000, query)
  } catch {
    return null // asked again until there is an answer
  }
}

/** The volume's points once so many have a copy in this state, newest first. */
export async function points(
  stage: Stage,
  volume: Volume,
  state: 'verified' | 'damaged' | 'unverified' = 'verified',
  count = 1,
): Promise<RecoveryPoint[]> {
  let found: RecoveryPoint[] = []
  await until(`${count} ${state} of ${volume.name}`, async () => {
    found = (await pointsOf(stage, volume)).filter(({ copies }) => copies.some((copy) => copy.state === state))
    return found.length >= count
  })
  return found
}

/** The ids of all archives of a volume, whatever became of them. */
export async function archivesOf({ client }: Stage, { id }: Volume): Promise<string[]> {
  const ids: string[] = []
  const query = `WorkflowType = 'archiveVolume' AND WorkflowId STARTS_WITH 'archive/${id}/'`
  for await (const { workflowId } of client.workflow.list({ query })) ids.push(workflowId)
  return ids
}

/** Our backups of a volume, by the mark on them: Cinder knows them as backups of temporary volumes. */
export function backupsOf({ sandbox }: Stage, { id }: Volume) {
  return [...sandbox.state.backups.values()].filter(({ metadata }) => metadata['ck:volume'] === id)
}

/** What an archive of this volume left in the cloud besides its copy; to be asked when it has ended. */
export function leftoversOf({ sandbox }: Stage, { id }: Volume, archiveIds: string[]): string[] {
  const { snapshots, volumes, backups } = sandbox.state
  const isOurs = (name: string | null) => archiveIds.some((archiveId) => name?.startsWith(`ck-${archiveId}`) === true)
  return [
    ...[...snapshots.values()].filter(({ volumeId, name }) => volumeId === id || isOurs(name)),
    ...[...volumes.values()].filter(({ name }) => isOurs(name)),
    ...[...backups.values()].filter(
      ({ metadata, description, status }) =>
        metadata['ck:volume'] === id && (status !== 'available' || description?.includes('ck:scratch') === true),
    ),
  ].map(({ name, status }) => `${name ?? ''} ${status}`)
}

/** The hash of what the tenant has in the volume now; where `use` writes is read, the rest is zero or proves nothing. */
export async function contentOf({ sandbox }: Stage, { id }: Volume): Promise<string> {
  const file = await open(sandbox.volumePath(id), 'r')
  const places = [0, 77, 500, 1021].map((at) => ({ offset: at * mib, length: at === 77 ? 4 * mib : 3 * mib }))
  async function* read() {
    for (const { offset, length } of places) {
      const data = Buffer.alloc(length)
      await file.read(data, 0, length, offset)
      yield { offset, data }
    }
  }
  try {
    const unused = async () => Promise.reject(new Error('not asked for'))
    const bytes = { sizeBytes: 1024 * mib, identity: id, read, extents: unused, confirm: async () => undefined }
    return (await hashBytes(bytes)).rootHash
  } finally {
    await file.close()
  }
}
