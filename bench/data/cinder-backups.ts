import { setTimeout as sleep } from 'node:timers/promises'
import { createLog } from '../../log/log.js'
import { openCloud } from '../../openstack/open-cloud.js'
import type { VolumeImage } from './image.js'
import type { DataLab } from './lab.js'

const pollMs = 100

/** Cinder's own Ceph backup driver: incremental backups of the volume itself, as `openstack volume backup create` makes them. */
export interface CinderBackups {
  newVolume(sizeGib: number): Promise<VolumeImage>
  /** @returns milliseconds from the request to `available` */
  backUp(volumeId: string): Promise<number>
  /** Removes the volume with its backups. */
  remove(volumeId: string): Promise<void>
  close(): void
}

export async function cinderBackups({ os }: DataLab): Promise<CinderBackups> {
  const log = createLog('warn', {})
  const place = { env: os, cwd: process.cwd(), home: process.cwd() }
  const cloud = await openCloud(place, { log, installation: '00000000-0000-4000-8000-00000000be7c' })
  const { cinder } = cloud
  const made = new Map<string, string[]>()
  return {
    close: () => {
      cloud.close()
    },
    async newVolume(sizeGib) {
      const { id } = await cinder.createVolume({ name: 'bench', sizeGib })
      await until(async () => (await cinder.getVolume(id)).status, 'available')
      made.set(id, [])
      return { volumeId: id, spec: `volumes/volume-${id}`, sizeBytes: sizeGib * 2 ** 30 }
    },
    async backUp(volumeId) {
      const backups = made.get(volumeId) ?? []
      const started = performance.now()
      const incremental = backups.length > 0
      const { id } = await cinder.createBackup({ volumeId, name: 'bench', incremental, force: false })
      backups.push(id)
      await until(async () => (await cinder.getBackup(id)).status, 'available')
      return performance.now() - started
    },
    async remove(volumeId) {
      for (const id of (made.get(volumeId) ?? []).reverse()) {
        await cinder.deleteBackup(id)
        await gone(async () => (await cinder.getBackup(id)).status, 'CK-BACKUP-GONE')
      }
      await cinder.deleteVolume(volumeId)
      await gone(async () => (await cinder.getVolume(volumeId)).status, 'CK-VOLUME-GONE')
    },
  }
}

async function until(ask: () => Promise<string>, wanted: string): Promise<void> {
  for (;;) {
    const status = await ask()
    if (status === wanted) return
    if (status.startsWith('error')) throw new Error(`it is ${status}, not ${wanted}`)
    await sleep(pollMs)
  }
}

async function gone(ask: () => Promise<string>, code: string): Promise<void> {
  for (;;) {
    try {
      await ask()
    } catch (error) {
      if ((error as { code?: unknown }).code === code) return
      throw error
    }
    await sleep(pollMs)
  }
}
