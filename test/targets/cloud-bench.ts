/** A `cinder-backup` target with the real client, on any cloud that answers as Cinder does. */
import { createHash, randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { silentLog } from '../../log/log.js'
import { cinder, type Cinder, type Volume } from '../../openstack/cinder.js'
import type { CloudOptions } from '../../openstack/options.js'
import { connectCloud } from '../../openstack/session.js'
import { hashBytes } from '../../source/hash-bytes.js'
import { openSources } from '../../source/open-sources.js'
import { sourcesOptions } from '../../source/options.js'
import { openTargets } from '../../targets/open-targets.js'
import { targetsOptions } from '../../targets/options.js'
import type { Capture, Copy, Target } from '../../targets/target.js'
import type { TargetBench } from './contract.js'

export async function allOf<T>(list: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const one of list) all.push(one)
  return all
}

export interface CloudHands {
  cloud: CloudOptions
  /** As in cinderkeep.yaml. */
  source: Record<string, unknown>
  target: Record<string, unknown>
  /** Writes to the volume as a guest would. */
  write(volumeId: string, offset: number, bytes: Uint8Array): Promise<void>
  /** Takes the backup's data away behind Cinder's back. */
  destroy(copy: Copy): Promise<void>
  /** Waits of the target are at most this long. */
  longestWaitMs: number
  /** Releases what the hands hold. */
  end?(): Promise<void>
}

export interface CloudBench extends TargetBench {
  api: Cinder
  installation: string
  newVolume(given?: { sizeGib?: number; metadata?: Record<string, string> }): Promise<Volume>
  captureOf(volumeId: string): Promise<Capture>
}

const mib = 2 ** 20

export function cloudBench(hands: CloudHands): CloudBench {
  const installation = randomUUID()
  const session = connectCloud(hands.cloud, { log: silentLog, installation })
  const api = cinder(session)
  const sources = openSources(sourcesOptions.parse([hands.source]))
  const mine = { volumes: new Set<string>(), snapshots: new Set<string>(), captures: [] as Capture[] }
  const tag = `bench-${installation.slice(0, 8)}`

  const open = (): Target => {
    const targets = openTargets(targetsOptions.parse({ cinder: { restoreRetrySeconds: 1, ...hands.target } }), {
      cinder: api,
      sources,
      installation,
      log: silentLog,
      sleep: async (ms, signal) => delay(Math.min(ms, hands.longestWaitMs), undefined, { signal }),
    })
    const target = targets.get('cinder')
    if (target === undefined) throw new Error('no target')
    return target
  }

  /** @throws Error after two minutes, far longer than any of these takes */
  async function until<T>(what: string, look: () => Promise<T>, good: (seen: T) => boolean): Promise<T> {
    const end = performance.now() + 120_000
    for (;;) {
      const seen = await look()
      if (good(seen)) return seen
      if (performance.now() > end) throw new Error(`waited in vain for ${what}: ${JSON.stringify(seen)}`)
      await delay(Math.min(500, hands.longestWaitMs))
    }
  }

  async function newVolume(given: { sizeGib?: number; metadata?: Record<string, string> } = {}): Promise<Volume> {
    const made = await api.createVolume({
      name: tag,
      sizeGib: given.sizeGib ?? 1,
      metadata: given.metadata ?? { archive: 'gold' },
    })
    mine.volumes.add(made.id)
    return until(
      'a new volume',
      () => api.getVolume(made.id),
      ({ status }) => status !== 'creating',
    )
  }

  async function captureOf(volumeId: string): Promise<Capture> {
    const archiveId = randomUUID()
    const made = await api.createSnapshot({ volumeId, name: `ck-${archiveId}`, force: true })
    mine.snapshots.add(made.id)
    const snapshot = await until(
      'a new snapshot',
      () => api.getSnapshot(made.id),
      ({ status }) => status !== 'creating',
    )
    const volume = await api.getVolume(volumeId)
    const capturedAt = new Date().toISOString()
    const capture: Capture = {
      point: `${capturedAt.slice(0, 19)}Z-${archiveId.slice(0, 8)}`,
      archiveId,
      archive: `archive/${volumeId}/manual:${archiveId}/1`,
      slot: `manual:${archiveId}`,
      group: null,
      volume: { ...volume, volumeId },
      snapshotId: snapshot.id,
      snapshotName: snapshot.name,
      capturedAt,
      consistency: 'detached',
      watchers: 'none',
      sizeBytes: snapshot.sizeGib * 2 ** 30,
    }
    mine.captures.push(capture)
    return capture
  }

  /** Two MiB in three places, the last at the volume's end. */
  async function fill(volumeId: string): Promise<void> {
    const { sizeGib } = await api.getVolume(volumeId)
    for (const offset of [0, 37 * mib + 4096, sizeGib * 2 ** 30 - mib]) {
      const block = createHash('sha512').update(randomUUID()).digest()
      await hands.write(volumeId, offset, Buffer.alloc(offset === 0 ? mib : 512 * 1024, block))
    }
  }

  async function hash(volumeId: string, snapshotId: string | null): Promise<string> {
    const { host, nameId } = await api.getVolume(volumeId)
    const source = sources.find(host)
    if (source === undefined) throw new Error(`no source for ${host ?? 'a volume without host'}`)
    return (await hashBytes(await source.open({ volumeId, host, nameId, snapshotId }))).rootHash
  }

  async function deleteSnapshot(id: string): Promise<void> {
    await until(
      `snapshot ${id} to be gone`,
      async () => {
        const found = (await allOf(api.listSnapshots())).find((one) => one.id === id)
        if (found !== undefined && found.status !== 'deleting') await api.deleteSnapshot(id)
        return found
      },
      (found) => found === undefined,
    )
    mine.snapshots.delete(id)
  }

  async function removeEverything(): Promise<void> {
    const context = { signal: new AbortController().signal, report: () => undefined }
    const target = open()
    // increments before what they build upon
    for (const copy of (await target.listCopies(null, context)).reverse()) await target.removeCopy(copy, context)
    // what a test that failed left, or a snapshot with a temporary volume would never go
    for (const { archiveId, volume } of mine.captures) {
      await target.removeTemporaries({ archiveId, volumeId: volume.volumeId }, context)
    }
    for (const id of mine.snapshots) await deleteSnapshot(id)
    for (const id of mine.volumes) await api.deleteVolume(id)
    await until(
      'the volumes to be gone',
      async () => (await allOf(api.listVolumes())).some(({ id }) => mine.volumes.has(id)),
      (some) => !some,
    )
  }

  return {
    api,
    installation,
    open,
    newVolume,
    captureOf,
    capture: async () => {
      const { id } = await newVolume()
      await fill(id)
      return captureOf(id)
    },
    captureAgain: async ({ volume }) => {
      await fill(volume.volumeId)
      // Cinder takes as a parent only what is older, and counts whole seconds
      await delay(1_100)
      return captureOf(volume.volumeId)
    },
    release: async ({ snapshotId }) => deleteSnapshot(snapshotId),
    destroy: async (copy) => hands.destroy(copy),
    hashOfCapture: async ({ volume, snapshotId }) => hash(volume.volumeId, snapshotId),
    hashOfVolume: async (volumeId) => hash(volumeId, null),
    emptyVolume: async ({ volume }) => (await newVolume({ sizeGib: volume.sizeGib, metadata: {} })).id,
    leftovers: async ({ archiveId, volume }) => {
      const found: string[] = []
      for await (const { name } of api.listVolumes()) if (name.includes(archiveId)) found.push(name)
      for await (const { name, status, description } of api.listBackups({
        nameLike: `${volume.volumeId}-${archiveId}`,
      })) {
        if (status !== 'available' || description?.includes('ck:scratch') === true) found.push(`${name} ${status}`)
      }
      return found
    },
    end: async () => {
      await removeEverything()
      await hands.end?.()
      session.close()
    },
  }
}
