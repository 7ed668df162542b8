import type { CloudSession } from '../../openstack/session.js'

/** A server of a cloud that the checks run against. */
export interface LabServer {
  serverId: string
  /** The boot volume, and another one that is attached. */
  volumeIds: [string, string]
}

/** A cloud with Nova: the sandbox, or the lab with a real guest. */
export interface NovaLab {
  /** An admin's. */
  session: CloudSession
  /**
   * A volume-backed server, ACTIVE, with two volumes and something that writes to both.
   * @param given.properties the boot volume's image properties, set before the server is made
   * @param given.agent whether a guest agent answers in it by the time this resolves
   */
  newServer(given: { properties: Record<string, string>; agent: boolean }): Promise<LabServer>
  /** Whether the guest's filesystems are frozen now; only asked where there is an agent. */
  isFrozen(serverId: string): Promise<boolean>
  /** Whether the snapshot was taken while they were: in the lab, whether its ext4 needs no recovery. */
  wasFrozen(snapshotId: string): Promise<boolean>
  /** The server and its volumes are gone when it resolves. */
  removeServer(server: LabServer): Promise<void>
}

export const quiescing = { hw_qemu_guest_agent: 'yes', os_require_quiesce: 'yes' }
