import type { VolumeFacts } from './policy.js'

/**
 * Picks from Cinder's volume what policies look at.
 * @param projectName null where it is not known
 * @param serverNames names of servers by their ids, as far as they are known
 */
export function volumeFacts(
  volume: Omit<VolumeFacts, 'projectName' | 'servers'> & { attachments: { serverId: string | null }[] },
  projectName: string | null,
  serverNames: ReadonlyMap<string, string | null> = new Map(),
): VolumeFacts {
  const { id, name, projectId, type, sizeGib, status, metadata, migrationStatus, createdAt, updatedAt } = volume
  const servers = volume.attachments.flatMap(({ serverId }) =>
    serverId === null ? [] : [{ id: serverId, name: serverNames.get(serverId) ?? null }],
  )
  return {
    ...{ id, name, projectId, projectName, type, sizeGib, status, metadata, migrationStatus, createdAt, updatedAt },
    servers,
  }
}
