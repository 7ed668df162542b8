import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { isCloudError } from '../../../openstack/errors.js'
import { listOf, newVolume, removeVolumes, volumeIs, waitFor, type LabCloud } from '../../helpers/lab-cloud.js'
import type { ServersLab } from './lab-servers.js'
import { freezeStatus } from './virsh.js'

/** Servers that Nova runs from volumes, with the lab's tiny guest (lab/nova/guest-init) in them. */

export interface Guest {
  serverId: string
  name: string
  /** Libvirt's name of it. */
  domain: string
  /** The first is the one that it boots from, if it had a boot loader. */
  volumeIds: string[]
}

export interface GuestOptions {
  name: string
  /** How many volumes of 1 GiB; without it two. */
  volumes?: number
  /** Whether qemu-guest-agent runs in the guest; without it it does. */
  agent?: boolean
  /** Of the first volume, where Nova looks for them; without it both that quiesce. */
  properties?: Partial<Record<'hw_qemu_guest_agent' | 'os_require_quiesce', string>>
}

/** `networks: none` needs 2.37; what the rest of the lab was seen to work with. */
const microversion = { least: '2.93', most: '2.93' }

const made = z.object({ server: z.object({ id: z.string() }) })
const shown = z.object({
  server: z.object({
    status: z.string(),
    'OS-EXT-SRV-ATTR:instance_name': z.string().nullish(),
    fault: z.object({ message: z.string() }).optional(),
  }),
})

/** Returns when it runs, its agent (if any) answers, and it has written to all of its volumes for a while. */
export async function newGuest(lab: ServersLab, cloud: LabCloud, options: GuestOptions): Promise<Guest> {
  const { name, agent = true, properties = { hw_qemu_guest_agent: 'yes', os_require_quiesce: 'yes' } } = options
  const count = options.volumes ?? 2
  const volumes = await Promise.all(Array.from({ length: count }, async (_, i) => newVolume(cloud, `${name}-${i}`)))
  const volumeIds = volumes.map(({ id }) => id)
  await bootsTheGuest(lab, cloud, volumeIds[0] ?? '', { agent, properties })
  const { body } = await cloud.session.request('compute', {
    method: 'POST',
    path: '/servers',
    microversion,
    json: {
      server: {
        name,
        flavorRef: lab.servers.flavor,
        networks: 'none',
        block_device_mapping_v2: volumeIds.map((uuid, i) => ({
          uuid,
          boot_index: i === 0 ? 0 : -1,
          source_type: 'volume',
          destination_type: 'volume',
          delete_on_termination: false,
        })),
      },
    },
  })
  const serverId = made.parse(body).server.id
  const domain = await waitFor(`server ${name} to be ACTIVE`, async () => {
    const server = await showServer(cloud, serverId)
    if (server.status === 'ERROR') throw new Error(`server ${name} is in error: ${server.fault?.message ?? ''}`)
    return server.status === 'ACTIVE' ? (server['OS-EXT-SRV-ATTR:instance_name'] ?? null) : null
  })
  const guest = { serverId, name, domain, volumeIds }
  if (agent && properties.hw_qemu_guest_agent !== undefined) await agentAnswers(lab, guest)
  await hasWritten(lab, guest, { disks: count, times: 15 })
  return guest
}

/** Nova boots the kernel that the volume's image properties name; the volume itself has no boot loader. */
async function bootsTheGuest(
  lab: ServersLab,
  cloud: LabCloud,
  volumeId: string,
  { agent, properties }: Required<Pick<GuestOptions, 'agent' | 'properties'>>,
): Promise<void> {
  const action = async (json: unknown) =>
    cloud.session.request('block-storage', { method: 'POST', path: `/volumes/${volumeId}/action`, json })
  await action({ 'os-set_bootable': { bootable: true } })
  const { kernel, ramdisk } = lab.servers
  const commandLine = `console=ttyS0 quiet${agent ? '' : ' lab.noagent'}`
  const metadata = { kernel_id: kernel, ramdisk_id: ramdisk, os_command_line: commandLine, ...properties }
  await action({ 'os-set_image_metadata': { metadata } })
}

async function showServer(cloud: LabCloud, serverId: string): Promise<z.infer<typeof shown>['server']> {
  const { body } = await cloud.session.request('compute', { method: 'GET', path: `/servers/${serverId}`, microversion })
  return shown.parse(body).server
}

export async function agentAnswers(lab: ServersLab, { domain, name }: Guest): Promise<void> {
  await waitFor(`the agent of ${name}`, async () => freezeStatus(lab, domain))
}

/** What the guest said on its console so far. */
export async function consoleOf(lab: ServersLab, { serverId }: Guest): Promise<string> {
  return readFile(join(lab.servers.instancesDir, serverId, 'console.log'), 'utf8')
}

/** Until it has written to so many disks at once, so many times. */
export async function hasWritten(
  lab: ServersLab,
  guest: Guest,
  { disks, times }: { disks: number; times: number },
): Promise<void> {
  const all = new RegExp(String.raw`lab: wrote \d+ to( vd[a-z]){${String(disks)}} up=`, 'g')
  await waitFor(`${guest.name} to write to ${String(disks)} disks`, async () => {
    const said = await consoleOf(lab, guest).catch(() => '')
    return (said.match(all)?.length ?? 0) >= times ? true : null
  })
}

/** One more volume while it runs. */
export async function plug(cloud: LabCloud, guest: Guest, volumeId: string): Promise<void> {
  await cloud.session.request('compute', {
    method: 'POST',
    path: `/servers/${guest.serverId}/os-volume_attachments`,
    json: { volumeAttachment: { volumeId } },
    microversion,
  })
  await volumeIs(cloud, volumeId, 'in-use')
  guest.volumeIds.push(volumeId)
}

/** Stops it by Nova: the volumes stay attached. */
export async function shutOff(cloud: LabCloud, { serverId, name }: Guest): Promise<void> {
  const path = `/servers/${serverId}/action`
  await cloud.session.request('compute', { method: 'POST', path, json: { 'os-stop': null }, microversion })
  await waitFor(`server ${name} to be SHUTOFF`, async () =>
    (await showServer(cloud, serverId)).status === 'SHUTOFF' ? true : null,
  )
}

/** The server, its volumes, and all of their snapshots. */
export async function removeGuest(cloud: LabCloud, { serverId, name, volumeIds }: Guest): Promise<void> {
  const path = `/servers/${serverId}`
  await cloud.session.request('compute', { method: 'DELETE', path })
  await waitFor(`server ${name} to be gone`, async () => {
    try {
      await showServer(cloud, serverId)
      return null
    } catch (error) {
      if (isCloudError(error, 'CK-CLOUD-NOT-FOUND')) return true
      throw error
    }
  })
  for (const volumeId of volumeIds) {
    for (const { id } of await listOf(cloud.listSnapshots({ volumeId }))) await cloud.deleteSnapshot(id)
    await waitFor(`snapshots of ${volumeId} to be gone`, async () =>
      (await listOf(cloud.listSnapshots({ volumeId }))).length === 0 ? true : null,
    )
  }
  await removeVolumes(cloud, volumeIds)
}
