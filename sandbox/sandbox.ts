/** An OpenStack in one process, for the demo and for tests: Keystone, Cinder, enough Nova, notifications, faults. */
import { randomUUID } from 'node:crypto'
import { mkdir } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { resolve } from 'node:path'
import type { Log } from '../log/log.js'
import { silentLog } from '../log/log.js'
import { breakBackup } from './backup-damage.js'
import { cephBackupDriver } from './backup-driver-ceph.js'
import { chunkedBackupDriver } from './backup-driver-chunked.js'
import { cinder } from './cinder.js'
import type { Cloud, Delays } from './cloud.js'
import { snapshotPath, volumePath } from './cloud.js'
import { control } from './control.js'
import type { Faults } from './faults.js'
import { createFaults } from './faults.js'
import { glance } from './glance.js'
import { answerHttp } from './http.js'
import { keystone } from './keystone.js'
import { createLoad } from './load.js'
import type { Load } from './load.js'
import { createNotifier } from './notify.js'
import type { Notifier } from './notify.js'
import { nova } from './nova.js'
import { addServer } from './servers.js'
import type { NewServer } from './servers.js'
import { createRecorder } from './record.js'
import type { Recorder } from './record.js'
import { initialState, password } from './initial-state.js'
import type { ServerRecord, State } from './state.js'

export interface SandboxOptions {
  /** Where volumes, snapshots and backups lie as sparse files; made when missing, never removed. */
  dir: string
  /** 0 (default): any free port. */
  port?: number
  /** Without it notifications are only remembered. */
  amqpUrl?: string
  /** The topic exchange for Cinder's notifications; made, and removed by `close`. Default `sandbox-<random>`. */
  exchange?: string
  /** The same for Nova's. */
  novaExchange?: string
  /** The topic: routing key `<topic>.info`, and the queue of that name. Default `notifications`. */
  topic?: string
  /** Which of Cinder's backup drivers it imitates; default `ceph`. */
  driver?: 'ceph' | 'chunked'
  /** Milliseconds that asynchronous work takes; 20 each by default. */
  delays?: Delays
  /** How large the file of a GiB is: less for tests of many volumes, since a hole costs its reading. */
  bytesPerGib?: number
  /** How long a token lives, in seconds; default an hour. */
  tokenSeconds?: number
  log?: Log
}

export interface Sandbox {
  url: string
  /** `OS_*` for the project `admin`. */
  env: Record<string, string>
  /** `OS_*` for another project and its user of the same name (`payments`, `research`, `web`). */
  envOf(project: string): Record<string, string>
  exchange: string
  /** Nova's. */
  novaExchange: string
  /** What to write under `listen.bind`. */
  bind: { exchange: string; topics: string[] }
  faults: Faults
  state: State
  record: Recorder
  /** Which snapshots and backups there were at the same time. */
  load: Load
  notifier: Notifier
  /** The file that is the volume, or the snapshot. */
  volumePath(id: string): string
  snapshotPath(id: string): string
  /** A server that is ACTIVE at once, with its volumes attached; more are attached through Nova's API. */
  addServer(given: NewServer): ServerRecord
  /** Damages a backup now; Cinder goes on calling it `available`. */
  damageBackup(id: string, how: 'flip' | 'truncate' | 'gone'): Promise<void>
  /** Resolves when no asynchronous work is left and all notifications have reached the broker. */
  idle(): Promise<void>
  close(): Promise<void>
}

/** Starts a cloud on 127.0.0.1. */
export async function startSandbox(options: SandboxOptions): Promise<Sandbox> {
  const dir = resolve(options.dir)
  await mkdir(dir, { recursive: true })
  const log = options.log ?? silentLog
  const exchange = options.exchange ?? `sandbox-${randomUUID()}`
  const novaExchange = options.novaExchange ?? `nova-${randomUUID()}`
  const topic = options.topic ?? 'notifications'
  const faults = createFaults((fault) => {
    if (fault.kind !== 'damage-backup' || fault.backup === undefined) return
    const run = damageBackup(fault.backup, fault.how)
      .then(() => {
        fault.hits += 1
      })
      .catch((error: unknown) => {
        log.error({ err: error }, 'the backup could not be damaged')
      })
      .finally(() => cloud.running.delete(run))
    cloud.running.add(run)
  })
  const cloud: Cloud = {
    dir,
    state: initialState(),
    faults,
    notifier: await createNotifier({ amqpUrl: options.amqpUrl, exchange, novaExchange, topic }, faults, log),
    driver: (options.driver ?? 'ceph') === 'ceph' ? cephBackupDriver(dir) : chunkedBackupDriver(dir),
    load: createLoad(),
    bytesPerGib: options.bytesPerGib ?? 2 ** 30,
    delays: options.delays ?? {},
    log,
    url: '',
    tokenSeconds: options.tokenSeconds ?? 3600,
    running: new Set(),
    timers: new Set(),
    closed: false,
  }
  const damageBackup = async (id: string, how: 'flip' | 'truncate' | 'gone'): Promise<void> => {
    const backup = cloud.state.backups.get(id)
    if (backup === undefined) throw new Error(`the sandbox has no backup ${id}`)
    await breakBackup(cloud, backup, how)
  }
  const record = createRecorder()
  const services = [keystone(cloud), cinder(cloud), nova(cloud), glance(cloud), control(cloud, record)]
  const server = createServer((incoming, outgoing) => {
    answerHttp(cloud, services, record, incoming, outgoing).catch((error: unknown) => {
      log.error({ err: error }, 'a request was not answered')
      outgoing.destroy()
    })
  })
  await new Promise<void>((done, failed) => {
    server.once('error', failed)
    server.listen(options.port ?? 0, '127.0.0.1', done)
  })
  cloud.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const envOf = (project: string): Record<string, string> => ({
    OS_AUTH_URL: `${cloud.url}/identity/v3`,
    OS_USERNAME: project,
    OS_PASSWORD: password,
    OS_PROJECT_NAME: project,
    OS_USER_DOMAIN_NAME: 'Default',
    OS_PROJECT_DOMAIN_NAME: 'Default',
    OS_IDENTITY_API_VERSION: '3',
    OS_REGION_NAME: 'RegionOne',
  })
  const idle = async (): Promise<void> => {
    while (cloud.timers.size > 0 || cloud.running.size > 0) {
      await Promise.all(cloud.running)
      await new Promise((done) => setTimeout(done, 5))
    }
    await cloud.notifier.settled()
  }
  return {
    url: cloud.url,
    env: envOf('admin'),
    envOf,
    exchange,
    novaExchange,
    bind: { exchange, topics: [topic] },
    faults,
    state: cloud.state,
    record,
    load: cloud.load,
    notifier: cloud.notifier,
    volumePath: (id) => volumePath(cloud, id),
    snapshotPath: (id) => snapshotPath(cloud, id),
    addServer: (given) => addServer(cloud, given),
    damageBackup,
    idle,
    async close() {
      if (cloud.closed) return
      cloud.closed = true
      for (const timer of cloud.timers) clearTimeout(timer)
      cloud.timers.clear()
      server.closeAllConnections()
      await new Promise<void>((done) => {
        server.close(() => {
          done()
        })
      })
      await Promise.all(cloud.running)
      await cloud.notifier.close()
    },
  }
}
