import type { Cloud } from './cloud.js'
import type { GuestSettings } from './guest.js'
import { freezeGuest, stopWriting, thawGuest, writesOf } from './guest.js'
import type { AttachmentRecord, ServerRecord } from './state.js'

export const attachmentsOf = (cloud: Cloud, serverId: string): AttachmentRecord[] =>
  [...cloud.state.volumes.values()].flatMap((volume) =>
    volume.attachments.filter((attachment) => attachment.serverId === serverId),
  )

export const isRunning = (server: ServerRecord): boolean => server.status === 'ACTIVE'

/** What libvirt's `virDomainFSFreeze` does with the server. @returns filesystems @throws GuestError */
export const freezeServer = async (cloud: Cloud, server: ServerRecord): Promise<number> =>
  freezeGuest(server.guest, attachmentsOf(cloud, server.id).length, () => isRunning(server) && !cloud.closed)

/** `virDomainFSThaw`. @returns filesystems @throws GuestError */
export const thawServer = (cloud: Cloud, server: ServerRecord): number =>
  thawGuest(server.guest, attachmentsOf(cloud, server.id).length, isRunning(server))

/** A server that is powered off writes nothing, and starts thawed. */
export function powerOff(server: ServerRecord): void {
  stopWriting(server.guest)
  server.guest.frozen = false
  server.guest.thawedEarly = false
  server.status = 'SHUTOFF'
}

/** As the control API shows a guest. */
export const shownGuest = (cloud: Cloud, server: ServerRecord): Record<string, unknown> => {
  const { agent, os, filesystems, freeze, thawsAfterMs, frozen, freezes, freezing } = server.guest
  return {
    ...{ server: server.id, name: server.name, status: server.status, host: server.host },
    ...{ agent, os, filesystems, freeze, thawsAfterMs, frozen, freezes, freezing, writes: writesOf(server.guest) },
    volumes: attachmentsOf(cloud, server.id).map(({ volumeId }) => volumeId),
  }
}

/** Changes what is given. */
export function changeGuest(server: ServerRecord, change: Partial<GuestSettings>): void {
  Object.assign(server.guest, change)
}

/** Whose guests write to a volume: those of running servers that have it attached. */
export function writersOf(cloud: Cloud, volumeId: string): ServerRecord[] {
  const volume = cloud.state.volumes.get(volumeId)
  return (volume?.attachments ?? []).flatMap(({ serverId }) => {
    const server = serverId === null ? undefined : cloud.state.servers.get(serverId)
    return server !== undefined && isRunning(server) ? [server] : []
  })
}
