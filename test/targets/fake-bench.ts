import { createHash, randomUUID } from 'node:crypto'
import { silentLog } from '../../log/log.js'
import { hashBytes } from '../../source/hash-bytes.js'
import { openTargets } from '../../targets/open-targets.js'
import { targetsOptions } from '../../targets/options.js'
import type { Capture, Target } from '../../targets/target.js'
import type { TargetBench } from './contract.js'
import { fakeCinder, type FakeCinder } from './fake-cinder.js'
import type { Content } from './fake-world.js'

export const installation = '7c9e6679-7425-40de-944b-e07fc1f90ae7'

export interface FakeBench extends TargetBench {
  cloud: FakeCinder
  open(log?: typeof silentLog): Target
  /** A capture of a volume that exists, for a new archive. */
  captureOf(volumeId: string, given?: Partial<Capture>): Promise<Capture>
}

/** A `cinder-backup` target named `cinder` on a Cinder in memory. */
export function fakeBench(driver: 'ceph' | 'chunked', options: { chain?: number; learn?: boolean } = {}): FakeBench {
  const cloud = fakeCinder(driver)
  const { api, sources, sleep } = cloud
  const target = {
    kind: 'cinder-backup',
    ...(options.learn !== true && { driver }),
    ...(options.chain !== undefined && { chain: options.chain }),
  }
  const open = (log = silentLog): Target => {
    const targets = openTargets(targetsOptions.parse({ cinder: target }), {
      cinder: api,
      sources,
      installation,
      log,
      sleep,
      now: cloud.now,
    })
    const opened = targets.get('cinder')
    if (opened === undefined) throw new Error('no target')
    return opened
  }
  const captureOf = async (volumeId: string, given: Partial<Capture> = {}): Promise<Capture> => {
    const archiveId = given.archiveId ?? randomUUID()
    cloud.advance(60_000)
    const snapshot = await api.createSnapshot({ volumeId, name: `ck-${archiveId}`, force: true })
    const volume = await api.getVolume(volumeId)
    const capturedAt = `${snapshot.createdAt.slice(0, 19)}Z`
    return {
      point: `${capturedAt}-${archiveId.slice(0, 8)}`,
      archiveId,
      archive: `archive/${volumeId}/manual:1/1`,
      slot: 'manual:1',
      group: null,
      volume: { ...volume, volumeId },
      snapshotId: snapshot.id,
      snapshotName: snapshot.name,
      capturedAt,
      consistency: 'detached',
      watchers: 'none',
      sizeBytes: snapshot.sizeGib * 2 ** 30,
      ...given,
    }
  }
  const hash = async (volumeId: string, snapshotId: string | null): Promise<string> => {
    const source = sources.find('fake@ceph#ceph')
    if (source === undefined) throw new Error('no source')
    return (await hashBytes(await source.open({ volumeId, host: null, nameId: null, snapshotId }))).rootHash
  }
  return {
    cloud,
    open,
    captureOf,
    capture: async () => {
      const { id } = cloud.addVolume({ sizeGib: 1, name: 'db-data', metadata: { archive: 'gold', owner: 'Zoë 🐘' } })
      cloud.contents.set(id, content(id))
      return captureOf(id)
    },
    captureAgain: async ({ volume }) => {
      cloud.contents.set(volume.volumeId, content(randomUUID()))
      return captureOf(volume.volumeId)
    },
    release: async ({ snapshotId }) => api.deleteSnapshot(snapshotId),
    destroy: async ({ ref }) => {
      const image = cloud.backups.get(ref['backupId'] ?? '')?.image
      if (image == null || !cloud.pool.delete(image)) throw new Error('there is nothing to destroy')
    },
    hashOfCapture: async ({ volume, snapshotId }) => hash(volume.volumeId, snapshotId),
    hashOfVolume: async (volumeId) => hash(volumeId, null),
    emptyVolume: async ({ volume }) => cloud.addVolume({ sizeGib: volume.sizeGib, name: 'restored' }).id,
    leftovers: async () => [
      ...[...cloud.volumes.values()].filter(({ name }) => name.startsWith('ck-')).map(({ name }) => name),
      ...[...cloud.backups.values()].filter(({ status }) => status !== 'available').map(({ name }) => name),
      ...[...cloud.backups.values()]
        .filter(({ description }) => description?.includes('ck:scratch'))
        .map(({ name }) => name),
    ],
    end: async () => undefined,
  }
}

/** A few KiB in two places; different for every seed. */
export function content(seed: string): Content {
  const block = createHash('sha512').update(seed).digest()
  return new Map([
    [0, Buffer.concat(Array.from({ length: 64 }, () => block))],
    [9 * 2 ** 20, block],
  ])
}
