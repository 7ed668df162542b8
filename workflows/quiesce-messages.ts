/** What travels between workflows and the agents on compute hosts. Plain data without secrets: agents hold no codec key. */

/** @param hypervisor Nova's hypervisor hostname of the compute host */
export const quiesceQueue = (hypervisor: string): string => `quiesce@${hypervisor}`

export interface FreezeRequest {
  /** Nova's UUID, which is the libvirt domain's too. */
  serverId: string
  /** A UUID, fresh for each freeze: only its holder's thaw says whether the freeze was kept. */
  token: string
  /** The workflow's run. One that is reset gives the tokens of its past anew, and must not be told what they were good for. */
  run: string
  /** The agent thaws by itself when it has lasted so long. */
  limitSeconds: number
}

export interface Frozen {
  /** How many filesystems the guest says it froze; at least 1. */
  filesystems: number
}

export interface ThawRequest {
  serverId: string
  token: string
  /** As in the freeze; another one is never told `kept`. */
  run: string
  /** The host on which it was frozen by this token: it was migrated from there to this one, and wakes up frozen. */
  movedFrom?: string
}

export interface Thawed {
  /** The guest was frozen by this token, and by nobody thawed, until this thaw, which came before the deadline. */
  kept: boolean
  /** Why not, with a stable code; null when it was kept. */
  reason: { code: string; message: string } | null
  /** How long it was frozen, by the agent's own monotonic clock; null when that is not known. */
  heldMs: number | null
}

/**
 * The acts of an agent, one process on each compute host. `freezeServer` is never tried again: `maximumAttempts: 1`.
 * It throws a CodedError `CK-QUIESCE-…` when the guest is not frozen; then, too, `thawServer` must be called. `thawServer`
 * throws only when it cannot tell that the guest is thawed, and is tried again.
 */
export interface QuiesceActivities {
  freezeServer(request: FreezeRequest): Promise<Frozen>
  thawServer(request: ThawRequest): Promise<Thawed>
}
