import { homedir } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect } from 'amqplib'
import { z } from 'zod'
import { silentLog } from '../../log/log.js'
import { cinder, type Backup, type Cinder, type Volume } from '../../openstack/cinder.js'
import { loadCloud } from '../../openstack/clouds-yaml.js'
import { isCloudError } from '../../openstack/errors.js'
import { connectCloud, type CloudSession } from '../../openstack/session.js'
import { signIn } from './keystone-token.js'
import type { Lab } from './lab.js'

/** What people do with the lab's cloud, as its administrator or as a tenant, and what its broker tells of it. */

export interface LabCloud extends Cinder {
  session: CloudSession
}

/** @param os `lab.os`, or `tenantOs(lab, …)` */
export async function labCloud(lab: Lab, os: Record<string, string>): Promise<LabCloud> {
  const session = connectCloud(await loadCloud({ env: os, cwd: lab.dir, home: homedir() }), { log: silentLog })
  return { ...cinder(session), session }
}

/** Cinder's address in the catalogue, up to `/v3`. */
export async function cinderAddress(lab: Lab): Promise<string> {
  const { url } = await signIn(lab, 'block-storage', 'volumev3')
  return url.replace(/\/v3\/.*$/, '/v3')
}

export async function listOf<T>(list: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const one of list) all.push(one)
  return all
}

/**
 * Asks until the answer is not null.
 * @throws Error with `what` after `seconds`, far longer than it takes on a busy machine
 */
export async function waitFor<T>(what: string, ask: () => Promise<T | null>, seconds = 240): Promise<T> {
  const end = performance.now() + seconds * 1000
  while (performance.now() < end) {
    const answer = await ask()
    if (answer !== null) return answer
    await sleep(300)
  }
  throw new Error(`waited ${String(seconds)} s in vain for ${what}`)
}

/** A new volume, `available`. */
export async function newVolume(
  cloud: LabCloud,
  name: string,
  given: { sizeGib?: number; metadata?: Record<string, string> } = {},
): Promise<Volume> {
  const { id } = await cloud.createVolume({ name, sizeGib: 1, ...given })
  return volumeIs(cloud, id, 'available')
}

export async function volumeIs(cloud: LabCloud, id: string, status: string): Promise<Volume> {
  return waitFor(`volume ${id} to be ${status}`, async () => {
    const volume = await cloud.getVolume(id)
    if (volume.status === status) return volume
    if (volume.status.startsWith('error')) throw new Error(`volume ${id} is ${volume.status}, was to be ${status}`)
    return null
  })
}

/** The backup when Cinder has done with it, well or not. */
export async function settledBackup(cloud: LabCloud, id: string): Promise<Backup> {
  return waitFor(`backup ${id} to settle`, async () => {
    const backup = await cloud.getBackup(id)
    return ['creating', 'restoring', 'deleting'].includes(backup.status) ? null : backup
  })
}

/** By Cinder's API alone: a new volume with what the backup holds. */
export async function restoreByHand(cloud: LabCloud, backupId: string, name: string): Promise<string> {
  const { id } = await newVolume(cloud, name)
  await cloud.restoreBackup(backupId, id)
  await settledBackup(cloud, backupId)
  await volumeIs(cloud, id, 'available')
  return id
}

const attachmentAnswer = z.object({ attachment: z.object({ id: z.string() }) })
/** From 3.44 an attachment is completed, which makes `volume.attach.end`; from 3.54 it has a mode. */
const microversion = { least: '3.54', most: '3.54' }

/** As Nova would, without Nova: `volume.attach.*` and `volume.detach.*` are Cinder's own. */
export async function attachWhile({ session }: LabCloud, volumeId: string, use: () => Promise<void>): Promise<void> {
  const connector = { host: 'acceptance', ip: '127.0.0.1', platform: 'x86_64', os_type: 'linux', multipath: false }
  const json = {
    attachment: { volume_uuid: volumeId, connector: { ...connector, mountpoint: '/dev/vdb' }, mode: 'rw' },
  }
  const send = async (method: 'POST' | 'DELETE', path: string, body?: unknown) =>
    session.request('block-storage', { method, path, microversion, ...(body !== undefined && { json: body }) })
  const created = await send('POST', '/attachments', json)
  const path = `/attachments/${attachmentAnswer.parse(created.body).attachment.id}`
  await send('POST', `${path}/action`, { 'os-complete': {} })
  await use()
  await send('DELETE', path)
}

/** Deletes volumes that nobody uses any more, and returns when they are gone. */
export async function removeVolumes(cloud: LabCloud, ids: string[]): Promise<void> {
  for (const id of ids) {
    await waitFor(`volume ${id} to be gone`, async () => {
      try {
        if ((await cloud.getVolume(id)).status !== 'deleting') await cloud.deleteVolume(id)
        return null
      } catch (error) {
        if (isCloudError(error, 'CK-VOLUME-GONE')) return true
        throw error
      }
    })
  }
}

/** Newest first, for increments go before what they build upon; returns when all are gone. */
export async function removeBackups(cloud: LabCloud, ids: ReadonlySet<string>): Promise<void> {
  const mine = async () => (await listOf(cloud.listBackups())).filter(({ id }) => ids.has(id))
  const newestFirst = (await mine()).sort((a, b) => b.createdAt.localeCompare(a.createdAt))
  for (const { id } of newestFirst) {
    await cloud.deleteBackup(id)
    await waitFor(`backup ${id} to be gone`, async () => ((await mine()).some((one) => one.id === id) ? null : true))
  }
}

export interface HeardEvent {
  event: string
  volumeId: string | null
  name: string | null
}

const heardPayload = z.object({ volume_id: z.string().nullish(), display_name: z.string().nullish() })

/** Everything that Cinder tells from now on, by a queue of our own that ends with the connection. */
export async function hearEvents(lab: Lab): Promise<{ heard: HeardEvent[]; close(): Promise<void> }> {
  const connection = await connect(lab.amqpUrl)
  const channel = await connection.createChannel()
  const { queue } = await channel.assertQueue('', { exclusive: true })
  await channel.bindQueue(queue, 'openstack', 'notifications.info')
  const heard: HeardEvent[] = []
  await channel.consume(
    queue,
    (message) => {
      if (message === null) return
      const envelope = JSON.parse(message.content.toString()) as { 'oslo.message': string }
      const inner = JSON.parse(envelope['oslo.message']) as { event_type: string; payload: unknown }
      const { volume_id: volumeId, display_name: name } = heardPayload.parse(inner.payload)
      heard.push({ event: inner.event_type, volumeId: volumeId ?? null, name: name ?? null })
    },
    { noAck: true },
  )
  return { heard, close: async () => connection.close() }
}
