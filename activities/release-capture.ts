import { setTimeout as sleep } from 'node:timers/promises'
import { CodedError } from '../errors/coded-error.js'
import type { CopyContext } from '../targets/target.js'
import { withHeartbeat } from './copy-context.js'
import type { Deps } from './control-activities.js'
import { findCaptures } from './find-captures.js'

/** Looks this often before a deletion that Cinder refuses silently is called busy. */
const busyLooks = 3

/**
 * Removes the archive's snapshots and returns when they are gone. Found by name: the id of one whose answer was lost
 * was never known.
 * @throws CodedError `CK-SNAPSHOT-BUSY` when a clone holds one; to be tried again
 */
export function releaseCapture(deps: Deps) {
  return async (request: { archiveId: string; volumeId: string; snapshotId: string | null }): Promise<void> =>
    withHeartbeat(async (context) => {
      for (const { id } of await findCaptures(deps, request)) await remove(deps, id, context)
    })
}

async function remove({ cinder }: Deps, id: string, { signal, report }: CopyContext): Promise<void> {
  await cinder.deleteSnapshot(id)
  let looks = 0
  for (;;) {
    const snapshot = await cinder.getSnapshot(id).catch((error: unknown) => {
      if (error instanceof CodedError && error.code === 'CK-SNAPSHOT-GONE') return null
      throw error
    })
    if (snapshot === null) return
    // Cinder accepts the deletion of a snapshot that has a clone and silently returns it to `available`
    if (snapshot.status !== 'deleting' && ++looks >= busyLooks) {
      throw new CodedError(
        'CK-SNAPSHOT-BUSY',
        `snapshot ${snapshot.name} is ${snapshot.status} after its deletion was accepted`,
        {
          cure: `A volume may have been made from it: openstack volume list --all-projects --long; it is tried again.`,
        },
      )
    }
    report({ phase: `removing snapshot ${snapshot.name}` })
    await sleep(500, undefined, { signal })
  }
}
