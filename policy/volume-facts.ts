import type { VolumeFacts } from './policy.js'

/** Picks from Cinder's volume what policies look at. @param projectName null where it is not known */
export function volumeFacts(
  volume: Omit<VolumeFacts, 'projectName' | 'servers'> & { attachments: { serverId: string | null }[] },
  projectName: string | null,
): VolumeFacts {
  const { id, name, projectId, type, sizeGib, status, metadata, migrationStatus, attachments } = volume
  const servers = attachments.flatMap(({ serverId }) => (serverId === null ? [] : [{ id: serverId, name: null }]))
  return { id, name, projectId, projectName, type, sizeGib, status, metadata, migrationStatus, servers }
}
