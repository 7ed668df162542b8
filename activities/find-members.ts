import { orNull } from '../openstack/or-null.js'
import { select } from '../policy/select.js'
import type { Deps } from './control-activities.js'
import { factsOf } from './facts-of.js'

interface Named {
  volumeId: string
  name: string
}

/** The volumes of a server as they are now. */
export interface Membership {
  /** Those that the policy protects. */
  members: Named[]
  /** Those that it does not. */
  leftOut: Named[]
  /** Those that Nova still lists, and Cinder has no more. */
  stale: string[]
}

/**
 * Which volumes of a server a policy protects, as Nova and Cinder show them now. One that Cinder has and Nova has not yet
 * is found by whoever asks next. Of a server that is gone there are none.
 */
export function findMembers(deps: Deps) {
  return async ({ serverId, policy: name }: { serverId: string; policy: string }): Promise<Membership> => {
    const { policies, installation, internalProjectId } = deps
    const membership: Membership = { members: [], leftOut: [], stale: [] }
    for (const volumeId of await deps.serverVolumes(serverId)) {
      const volume = await orNull('CK-VOLUME-GONE', async () => deps.cinder.getVolume(volumeId))
      if (volume === null) {
        membership.stale.push(volumeId)
        continue
      }
      const facts = await factsOf(deps, volume)
      const { policy } = select(facts, policies, installation, internalProjectId ?? undefined)
      const list = policy?.name === name ? membership.members : membership.leftOut
      list.push({ volumeId, name: volume.name })
    }
    return membership
  }
}
