import { setTimeout as sleep } from 'node:timers/promises'
import { CodedError } from '../errors/coded-error.js'
import type { Cinder, Snapshot } from '../openstack/cinder.js'
import type { CopyContext } from '../targets/target.js'
import { findCaptures } from './find-captures.js'
import type { MoveDeps } from './move-activities.js'

/** A deletion that Cinder accepted and silently took back is asked for this often before the snapshot is called busy. */
const requestsToDelete = 3
/** A request to cinder-volume that a broker lost leaves the snapshot `creating` for ever; making one takes seconds. */
const neverMadeAfterMs = 60 * 60_000
/** Most deletions are done at once; a slow one is asked for no more often than it needs. */
const firstPauseMs = 50
const lastPauseMs = 500
/** Cinder refuses to delete a snapshot in any other state. */
const deletable = new Set(['available', 'error'])

/**
 * Removes the archive's snapshots and returns when they are gone. Found by name: the id of one whose answer was lost
 * was never known.
 * @throws CodedError `CK-SNAPSHOT-BUSY` when a clone holds one; to be tried again
 */
export async function releaseCinderCapture(
  deps: Pick<MoveDeps, 'cinder' | 'installation'>,
  request: { archiveId: string; volumeId: string },
  context: CopyContext,
): Promise<void> {
  for (const { id } of await findCaptures(deps, request)) await removeSnapshot(deps, id, context)
}

/**
 * Removes one snapshot and returns when it is gone.
 * @param stuckMs one that has been `creating` under our eyes for so long is taken for never made; default: by its age, an hour
 * @throws CodedError `CK-SNAPSHOT-BUSY`
 */
export async function removeSnapshot(
  { cinder }: Pick<MoveDeps, 'cinder'>,
  id: string,
  { signal, report }: CopyContext,
  stuckMs = Infinity,
): Promise<void> {
  let requests = 0
  const begun = performance.now()
  for (let pause = firstPauseMs; ; pause = requests > 1 ? lastPauseMs : Math.min(pause * 2, lastPauseMs)) {
    const snapshot = await cinder.getSnapshot(id).catch((error: unknown) => {
      if (error instanceof CodedError && error.code === 'CK-SNAPSHOT-GONE') return null
      throw error
    })
    if (snapshot === null) return
    // one that is still being made, backed up, or deleted already, by whoever died in the middle, is waited for
    if (deletable.has(snapshot.status)) {
      // the deletion of one that has a clone is accepted, and the snapshot silently returns to `available`
      if (requests === requestsToDelete) throw busy(snapshot)
      requests += 1
      await cinder.deleteSnapshot(id)
    } else if (snapshot.status === 'backing-up' && (await isForsaken(cinder, snapshot))) {
      await cinder.resetStatus('snapshots', id, 'available')
    } else if (snapshot.status === 'creating' && (isOverdue(snapshot) || performance.now() - begun >= stuckMs)) {
      await cinder.resetStatus('snapshots', id, 'error')
    } else if (snapshot.status === 'error_deleting') {
      if (requests === requestsToDelete) throw busy(snapshot)
      await cinder.resetStatus('snapshots', id, 'error')
    }
    report({ phase: `removing snapshot ${snapshot.name} (${snapshot.status})` })
    await sleep(pause, undefined, { signal })
  }
}

function isOverdue({ createdAt }: Snapshot): boolean {
  // Cinder's times are UTC and carry no zone
  return Date.now() - Date.parse(`${createdAt.slice(0, 19)}Z`) > neverMadeAfterMs
}

/** A cinder-backup that died leaves the snapshot `backing-up` for ever, also when it is started again (bug 1938488, before 25.0.0). */
async function isForsaken(cinder: Cinder, { id, volumeId }: Snapshot): Promise<boolean> {
  for await (const backup of cinder.listBackups({ allProjects: true, volumeId })) {
    if (backup.snapshotId === id && backup.status === 'creating') return false
  }
  return true
}

function busy({ name, status }: Snapshot): CodedError {
  return new CodedError('CK-SNAPSHOT-BUSY', `snapshot ${name} is ${status} after its deletion was accepted`, {
    cure: `A volume may have been made from it: openstack volume list --all-projects --long; it is tried again.`,
  })
}
