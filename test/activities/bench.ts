/** Acts on a cloud in this process, with the real client, called as Temporal calls them. */
import { MockActivityEnvironment } from '@temporalio/testing'
import { DefaultLogger } from '@temporalio/worker'
import { randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Deps } from '../../activities/control-activities.js'
import type { CaptureRequest } from '../../activities/take-capture.js'
import { silentLog } from '../../log/log.js'
import { cinder } from '../../openstack/cinder.js'
import { loadCloud } from '../../openstack/clouds-yaml.js'
import { glance } from '../../openstack/glance.js'
import { nova } from '../../openstack/nova.js'
import { connectCloud, type CloudSession } from '../../openstack/session.js'
import { startSandbox, type SandboxOptions } from '../../sandbox/sandbox.js'
import type { ServerRecord, SnapshotRecord } from '../../sandbox/state.js'
import { openSources } from '../../source/open-sources.js'
import { openTargets } from '../../targets/open-targets.js'
import { targetsOptions } from '../../targets/options.js'

/** What the SDK says of acts that fail on purpose is no business of a test's. */
export function environment(info: ConstructorParameters<typeof MockActivityEnvironment>[0] = {}) {
  return new MockActivityEnvironment(info, { logger: new DefaultLogger('ERROR') })
}

/** @param options fewer bytes and shorter delays, where they do not matter */
export async function activityBench(options: Pick<SandboxOptions, 'bytesPerGib' | 'delays'> = {}) {
  const dir = await mkdtemp(join(tmpdir(), 'ck-activities-'))
  const sandbox = await startSandbox({ dir, ...options })
  const unlimited = sandbox.state.quotas.values().next().value
  if (unlimited === undefined) throw new Error('nobody is unlimited')
  for (const id of sandbox.state.projects.keys()) sandbox.state.quotas.set(id, unlimited)
  const sessions: CloudSession[] = []
  const sessionOf = async (env: Record<string, string>): Promise<CloudSession> => {
    const session = connectCloud(await loadCloud({ env, cwd: dir, home: dir }), { log: silentLog })
    sessions.push(session)
    return session
  }
  const session = await sessionOf(sandbox.env)
  const api = cinder(session)
  const tenant = cinder(await sessionOf(sandbox.envOf('payments')))
  const installation = randomUUID()
  const sources = openSources([{ match: '*@files#*', kind: 'file', dir, zone: 'east' }])
  const targets = openTargets(targetsOptions.parse({ cinder: { kind: 'cinder-backup', driver: 'ceph' } }), {
    ...{ cinder: api, sources, installation, log: silentLog },
    sleep: async (ms, signal) => sleep(Math.min(ms, 10), undefined, { signal }),
  })
  const deps: Deps = {
    ...{ nova: nova(session), glance: glance(session), patienceMs: 300 },
    ...{ installation, cinder: api, sources, targets, log: silentLog },
    policies: [],
    policyHash: 'hash',
    pace: { heartbeatSeconds: 60, firstRetrySeconds: 15, captureMaxAgeSeconds: 3600 },
    internalProjectId: null,
    serverStatus: async () => null,
    serverVolumes: async () => [],
    agentServes: async () => false,
    freezeLimitSeconds: 10,
    projectName: async () => 'payments',
    serverName: async () => null,
    appliedPolicyHash: async () => null,
    limits: { targets: new Map(), sources: [] },
    throttles: { targets: new Map() },
    imagesOf: () => undefined,
    pausedScopes: async () => [],
    // no act here asks Temporal
    workflows: undefined as unknown as Deps['workflows'],
  }

  return {
    ...{ sandbox, api, tenant, deps, installation },
    /** Calls an act as a worker would. */
    run: async <A extends unknown[], R>(act: (...args: A) => Promise<R>, ...args: A): Promise<R> =>
      environment({ heartbeatTimeoutMs: 30_000 }).run(act, ...args),
    /** A tenant's volume of 1 GiB, `available`. */
    async newVolume(metadata: Record<string, string> = {}): Promise<string> {
      const { id } = await tenant.createVolume({ name: 'db', sizeGib: 1, metadata })
      await sandbox.idle()
      return id
    },
    /** A tenant's server that boots from the first of these volumes, which has these image properties. */
    newServer(
      volumes: string[],
      properties: Record<string, string> = { hw_qemu_guest_agent: 'yes', os_require_quiesce: 'yes' },
    ): ServerRecord {
      const boot = sandbox.state.volumes.get(volumes[0] ?? '')
      if (boot === undefined) throw new Error('no such volume')
      boot.imageMetadata = properties
      const { projectId, userId } = boot
      return sandbox.addServer({ name: 'db', projectId, userId, volumes })
    },
    attach(volumeId: string): void {
      const volume = sandbox.state.volumes.get(volumeId)
      if (volume === undefined) throw new Error('no such volume')
      volume.status = 'in-use'
      volume.attachments.push({
        ...{ id: randomUUID(), volumeId, serverId: randomUUID(), host: 'host', device: '/dev/vdb', mode: 'rw' },
        ...{ status: 'attached', createdAt: '', updatedAt: null, attachedAt: null, connector: null },
      })
    },
    detach(volumeId: string): void {
      const volume = sandbox.state.volumes.get(volumeId)
      if (volume === undefined) throw new Error('no such volume')
      volume.status = 'available'
      volume.attachments = []
    },
    snapshotsOf: (volumeId: string): SnapshotRecord[] =>
      [...sandbox.state.snapshots.values()].filter((snapshot) => snapshot.volumeId === volumeId),
    /** What was asked of Cinder since the last look, as `POST /snapshots`. */
    asked(method: string, what: RegExp): number {
      return sandbox.record.requests.filter((one) => one.method === method && what.test(one.path)).length
    },
    request: (volumeId: string, change: Partial<CaptureRequest> = {}): CaptureRequest => ({
      ...{ archiveId: randomUUID(), archive: 'archive/x/manual:1/1', slot: 'manual:1', group: null, volumeId },
      consistency: { prefer: ['detached', 'crash'], require: 'crash' },
      ...{ maxAgeSeconds: 3600, snapshot: true, targets: [{ target: 'cinder', force: false }] },
      ...change,
    }),
    async end(): Promise<void> {
      for (const session of sessions) session.close()
      await sandbox.close()
      await rm(dir, { recursive: true, force: true })
    },
  }
}

export type ActivityBench = Awaited<ReturnType<typeof activityBench>>
