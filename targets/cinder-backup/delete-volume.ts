import { CodedError } from '../../errors/coded-error.js'
import { orNull } from '../../openstack/or-null.js'
import type { CopyContext } from '../target.js'
import { stuckWatch } from './abandoned.js'
import { pollUntil } from './poll-until.js'
import { hasCode, type Setting } from './setting.js'

const requestsToDelete = 5
/** Cinder deletes a volume in these states at once; in others it is waited for. */
const deletable = new Set(['available', 'error', 'error_restoring', 'error_deleting', 'error_managing'])
/** Somebody has attached it, or is about to: only they know how long, and a reset would not free it. */
const held = new Set(['in-use', 'reserved', 'attaching', 'detaching'])

/**
 * Deletes a temporary volume of ours and waits until it is gone. While a backup is made of it or restored into it
 * Cinder refuses, so that is waited for, but not when nothing works on it any more (abandoned.ts); a deletion that fails
 * falls back to `available` without a word, so it is asked for again.
 * @param idleStatus a status in which nothing can be working on it any more
 * @returns whether it had to be reset for that
 */
export async function deleteVolume(
  setting: Setting,
  context: CopyContext,
  id: string,
  idleStatus?: string,
): Promise<{ wasReset: boolean }> {
  const { cinder } = setting
  const isStuck = stuckWatch(setting)
  let requests = 0
  let wasReset = false
  return pollUntil(setting, context, async (elapsedMs) => {
    const volume = await orNull('CK-VOLUME-GONE', () => cinder.getVolume(id))
    if (volume === null) return { done: { wasReset } }
    const { name, status, createdAt } = volume
    if (held.has(status)) return { waiting: { phase: `${name} is ${status}: detach it` } }
    if (!deletable.has(status)) {
      const idle = status === idleStatus
      wasReset = (await isStuck({ kind: 'volumes', id, name, status, createdAt, idle }, elapsedMs)) || wasReset
      return { waiting: { phase: `${name} is ${status}` } }
    }
    if (requests === requestsToDelete) {
      throw new CodedError(
        'CK-VOLUME-NOT-DELETED',
        `the temporary volume ${id} (${name}) is still ${status} after ${requestsToDelete} requests to delete it`,
        { cure: 'The log of cinder-volume says why (a clone or a watcher of it?). It is tried again by itself.' },
      )
    }
    requests += 1
    if (status === 'error_deleting') await cinder.resetStatus('volumes', id, 'error')
    try {
      await cinder.deleteVolume(id)
    } catch (error) {
      // whether it was done is seen at the next look
      if (!hasCode(error, 'CK-CLOUD-ANSWER-LOST')) throw error
    }
    return { waiting: { phase: `deleting ${name}` } }
  })
}
