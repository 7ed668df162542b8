import { randomBytes } from 'node:crypto'
import { open } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import { silentLog } from '../log/log.js'
import { cinder, type Cinder, type Volume } from '../openstack/cinder.js'
import { loadCloud } from '../openstack/clouds-yaml.js'
import { connectCloud } from '../openstack/session.js'
import type { Sandbox } from '../sandbox/sandbox.js'

/** One of the cloud's customers, who knows nothing of Cinderkeep. */
export interface Tenant {
  project: string
  createVolume(name: string, options?: { metadata?: Record<string, string>; snapshotId?: string }): Promise<Volume>
  /** A snapshot of the tenant's own. */
  snapshot(volume: Volume): Promise<string>
  /** Attaches the volume to a server, writes some MiB as the guest would, and detaches it. */
  use(volume: Volume): Promise<void>
}

const createdServer = z.object({ server: z.object({ id: z.string() }) })

export async function tenantOf(sandbox: Sandbox, project: string): Promise<Tenant> {
  const options = await loadCloud({ env: sandbox.envOf(project), cwd: '/', home: '/' })
  const session = connectCloud(options, { log: silentLog })
  const volumes = cinder(session)
  return {
    project,
    async createVolume(name, given = {}) {
      const { id } = await volumes.createVolume({ name, sizeGib: 1, ...given })
      return untilVolume(volumes, id, 'available')
    },
    async snapshot(volume) {
      const { id } = await volumes.createSnapshot({ volumeId: volume.id, name: `${volume.name}-v1`, force: false })
      while ((await volumes.getSnapshot(id)).status === 'creating') await sleep(50)
      return id
    },
    async use(volume) {
      const asked = { server: { name: `${volume.name}-host`, flavorRef: 'tiny' } }
      const created = await session.request('compute', { method: 'POST', path: '/servers', json: asked })
      const path = `/servers/${createdServer.parse(created.body).server.id}/os-volume_attachments`
      const json = { volumeAttachment: { volumeId: volume.id } }
      await session.request('compute', { method: 'POST', path, json })
      await untilVolume(volumes, volume.id, 'in-use')
      await writeSomething(sandbox.volumePath(volume.id))
      await session.request('compute', { method: 'DELETE', path: `${path}/${volume.id}` })
      await untilVolume(volumes, volume.id, 'available')
    },
  }
}

async function untilVolume(volumes: Cinder, id: string, status: string): Promise<Volume> {
  for (;;) {
    const volume = await volumes.getVolume(id)
    if (volume.status === status) return volume
    if (volume.status.startsWith('error')) throw new Error(`volume ${id} is ${volume.status}`)
    await sleep(50)
  }
}

/** Scattered, with holes between, and up to the last byte. */
async function writeSomething(path: string): Promise<void> {
  const mib = 1024 * 1024
  const file = await open(path, 'r+')
  try {
    for (const at of [0, 77 * mib + 512, 500 * mib, 1021 * mib]) await file.write(randomBytes(3 * mib), 0, 3 * mib, at)
  } finally {
    await file.close()
  }
}
