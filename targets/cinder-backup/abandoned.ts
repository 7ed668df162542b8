import { CodedError } from '../../errors/coded-error.js'
import { cinderTime } from './cinder-time.js'
import type { Setting } from './setting.js'

/** How long what Cinder is doing is waited for, once an archive is only being cleared away. */
export interface Patience {
  /** So long it must have been seen unchanged, whatever else speaks for it. Default: 30 minutes. */
  stuckMs: number
  /**
   * With a service up, nothing tells a long backup from one whose request was lost on its way (facts/openstack.md 6.13):
   * so it must be this old by Cinder's own time. That tells nothing of a deletion, which may come long after the creation
   * and last for hours itself: a deletion must have been seen for so long. Default: 24 hours.
   */
  oldMs: number
}

export const defaultPatience: Patience = { stuckMs: 30 * 60_000, oldMs: 24 * 3_600_000 }

/** What is looked at again and again while Cinder works on it, or does not. */
export interface Waiting {
  kind: 'volumes' | 'backups'
  id: string
  name: string
  status: string
  createdAt: string
  /** Nothing can be working on it: the other side of the same act has ended. */
  idle?: boolean
}

/**
 * Remembers how long a status has been seen, and resets to `error` what nothing works on any more: every service that
 * could do it is down, or the request is as old as `Patience` says. Everything that is given here is to be deleted.
 * @returns whether it was reset now
 */
export function stuckWatch(setting: Setting): (waiting: Waiting, elapsedMs: number) => Promise<boolean> {
  let seen = ''
  let since = 0
  return async (waiting, elapsedMs) => {
    if (waiting.status !== seen) {
      seen = waiting.status
      since = elapsedMs
    }
    const unchangedMs = elapsedMs - since
    if (unchangedMs < setting.patience.stuckMs) return false
    const askedMs = waiting.status === 'deleting' ? unchangedMs : setting.now() - cinderTime(waiting.createdAt)
    const isOld = askedMs >= setting.patience.oldMs
    if (waiting.idle !== true && !isOld && !(await isUnserved(setting, waiting))) return false
    await reset(setting, waiting, 'error', unchangedMs)
    // asked for again only after as long a wait
    seen = ''
    return true
  }
}

async function reset({ cinder, log, name }: Setting, waiting: Waiting, to: string, unchangedMs: number): Promise<void> {
  const { kind, id, status } = waiting
  await cinder.resetStatus(kind, id, to)
  log.warn(
    { target: name, code: 'CK-STUCK-RESET', [kind === 'volumes' ? 'temporary' : 'backup']: id },
    `${waiting.name} (${id}) was ${status} for ${Math.round(unchangedMs / 60_000)} minutes with nothing working on it; it was reset to ${to}`,
  )
}

/** After our own scratch volume was given up: what was restored into it is as good as before. */
export async function resetRestoring({ cinder, log, name }: Setting, backupId: string): Promise<void> {
  await cinder.resetStatus('backups', backupId, 'available')
  log.warn(
    { target: name, code: 'CK-STUCK-RESET', backup: backupId },
    `backup ${backupId} was still restoring into a scratch volume that is gone; it was reset to available`,
  )
}

/** Whether all services that could be working on it are down; not where we may not ask. */
async function isUnserved({ cinder }: Setting, { kind, status }: Waiting): Promise<boolean> {
  const binary =
    kind === 'backups' || status === 'backing-up' || status === 'restoring-backup' ? 'cinder-backup' : 'cinder-volume'
  try {
    const services = await cinder.listServices({ binary })
    return !services.some(({ state }) => state === 'up')
  } catch (error) {
    if (error instanceof CodedError && error.code === 'CK-CLOUD-FORBIDDEN') return false
    throw error
  }
}
