/** What a Cinder in memory consists of: its rows, its clock with the jobs that wait for it, and faults on demand. */
import { randomUUID } from 'node:crypto'
import { CodedError } from '../../errors/coded-error.js'
import type { Backup, Cinder, Message, Service, Snapshot, Volume } from '../../openstack/cinder.js'
import type { Sleep } from '../../targets/cinder-backup/setting.js'

export type Content = Map<number, Uint8Array>
export type FakeDriver = 'ceph' | 'chunked'
const jobMs = 3_000

export interface StoredBackup extends Backup {
  parentId: string | null
  /** Of the host that made it: they need not all run the same. */
  driver: FakeDriver
  image: string | null
  volumeMetadata: Record<string, string>
}

/** `lost`: the work is done (after `lateMs`), its answer lost. `never`: the answer is lost and nothing is done. */
export type Fault =
  { call: keyof Cinder; what: 'lost' | 'never'; lateMs?: number } | { call: keyof Cinder; error: CodedError }

export function codeError(code: CodedError['code']): CodedError {
  return new CodedError(code, `${code} (injected)`)
}

/** A job that fails with this reason, in the driver unless said otherwise; one that is stuck never ends. */
export interface Failure {
  job: 'volume' | 'backup' | 'restore'
  reason: string
  byDriver?: boolean
  stuck?: boolean
}

export function refuse(why: string): never {
  throw new CodedError('CK-CLOUD-BAD-REQUEST', why)
}

export function must<T>(map: Map<string, T>, id: string, code: CodedError['code']): T {
  const found = map.get(id)
  if (found === undefined) throw new CodedError(code, `${id} could not be found`)
  return found
}

export function fakeWorld(driver: FakeDriver) {
  /** The driver of the host that takes the next backup. */
  const running = { driver }
  const volumes = new Map<string, Volume>()
  const contents = new Map<string, Content>()
  const snapshots = new Map<string, Snapshot>()
  /** Bytes of images that are not of whole GiB, by the id of the volume or snapshot. */
  const trueSizes = new Map<string, number>()
  const backups = new Map<string, StoredBackup>()
  /** The backup pool: names of images for Ceph, ids of backups for chunked drivers. */
  const pool = new Map<string, Content>()
  const messages: (Message & { resource: string })[] = []
  const faults: Fault[] = []
  const calls: { call: string; argument: unknown }[] = []
  const jobs: { at: number; run: () => void }[] = []
  const services: Service[] = [
    { binary: 'cinder-backup', host: 'fake', status: 'enabled', state: 'up', availabilityZone: 'nova' },
    { binary: 'cinder-volume', host: 'fake@ceph', status: 'enabled', state: 'up', availabilityZone: 'nova' },
  ]
  let clock = Date.parse('2026-11-23T02:00:00Z')
  /** Where the scheduler puts new volumes. */
  const placing = { host: 'fake@ceph#ceph' }
  /** What happens to the next jobs of these kinds. */
  const failures: Failure[] = []

  const stamp = (): string => new Date(clock).toISOString().replace('Z', '000')
  const later = (run: () => void, ms = jobMs): void => {
    jobs.push({ at: clock + ms, run })
  }
  const advance = (ms: number): void => {
    const until = clock + ms
    for (;;) {
      const next = jobs.filter((job) => job.at <= until).sort((a, b) => a.at - b.at)[0]
      if (next === undefined) break
      jobs.splice(jobs.indexOf(next), 1)
      clock = Math.max(clock, next.at)
      next.run()
    }
    clock = until
  }
  const sleep: Sleep = async (ms, signal) => {
    signal.throwIfAborted()
    await new Promise((go) => setImmediate(go))
    advance(ms)
    signal.throwIfAborted()
  }
  const say = (resource: string, number: string, userMessage: string): void => {
    messages.push({
      resource,
      id: randomUUID(),
      eventId: `VOLUME_VOLUME_BACKUP_015_${number}`,
      userMessage,
      level: 'ERROR',
      createdAt: stamp(),
    })
  }
  const takeFailure = (job: Failure['job']): Failure | undefined => {
    const at = failures.findIndex((failure) => failure.job === job)
    return at < 0 ? undefined : failures.splice(at, 1)[0]
  }
  const volume = (id: string): Volume => must(volumes, id, 'CK-VOLUME-GONE')
  const backupRow = (id: string): StoredBackup => must(backups, id, 'CK-BACKUP-GONE')
  const contentOf = (id: string): Content => contents.get(id) ?? new Map<number, Uint8Array>()

  /** Every call passes here; a fault meets the first call of its name. */
  async function call<T>(name: keyof Cinder, argument: unknown, run: () => T): Promise<T> {
    await new Promise((go) => setImmediate(go))
    calls.push({ call: name, argument: structuredClone(argument) })
    const at = faults.findIndex((fault) => fault.call === name)
    const [fault] = at < 0 ? [] : faults.splice(at, 1)
    if (fault === undefined) return structuredClone(run())
    if ('error' in fault) throw fault.error
    if (fault.what === 'lost' && fault.lateMs !== undefined) later(run, fault.lateMs)
    else if (fault.what === 'lost') run()
    throw codeError('CK-CLOUD-ANSWER-LOST')
  }
  async function* listed<T>(name: keyof Cinder, filter: unknown, rows: () => T[]): AsyncGenerator<T> {
    yield* await call(name, filter, rows)
  }

  function addVolume(given: Partial<Volume> & { sizeGib: number }): Volume {
    const id = given.id ?? randomUUID()
    const made: Volume = {
      id,
      name: '',
      description: null,
      status: 'available',
      projectId: 'project',
      userId: null,
      host: placing.host,
      nameId: null,
      migrationStatus: null,
      type: 'ceph',
      availabilityZone: 'nova',
      bootable: false,
      multiattach: false,
      encrypted: false,
      encryptionKeyId: null,
      snapshotId: null,
      sourceVolumeId: null,
      createdAt: stamp(),
      updatedAt: null,
      metadata: {},
      imageMetadata: {},
      attachments: [],
      ...given,
    }
    volumes.set(id, made)
    return made
  }
  return {
    ...{
      running,
      placing,
      volumes,
      contents,
      snapshots,
      trueSizes,
      backups,
      pool,
      messages,
      faults,
      failures,
      calls,
      services,
    },
    ...{ stamp, later, advance, sleep, say, takeFailure, volume, backupRow, contentOf, call, listed, addVolume },
    now: () => clock,
  }
}

export type FakeWorld = ReturnType<typeof fakeWorld>
