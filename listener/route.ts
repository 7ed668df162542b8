import { serverEvents } from '../policy/events.js'
import { type Hint, volumeWorkflowId } from '../workflows/messages.js'
import { serverWorkflowId } from '../workflows/server-messages.js'
import type { Notification } from './envelope.js'

/** One volume, or one server whose volumes, a notification gives a reason to look at. */
export interface SubjectHint {
  /** Of the workflow that is told: `volume/<id>` or `server/<id>`. */
  workflowId: string
  hint: Hint
  /** Whether it may start that workflow; without it only one that exists is told. */
  start: boolean
}

/**
 * Facts that a volume's workflow wants to know of a volume it already keeps, whatever the policies say: it is gone, it
 * changed owner, size, type or name. They start nothing.
 */
export const followed: ReadonlySet<string> = new Set([
  'volume.delete.end',
  'volume.unmanage.end',
  'volume.transfer.accept.end',
  'volume.resize.end',
  'volume.retype',
  'volume.update.end',
])

/**
 * What a notification asks for: a hint for each of its volumes, or for a server that does not name its own; null when
 * nobody wants it. Pure.
 *
 * An event is matched by the very name its publisher gives it. Nova's own events (`compute.instance.volume.detach`,
 * `instance.volume_detach.end`) are not taken for Cinder's `volume.detach.end`: a cloud that publishes all three would
 * tell of one detach three times. A policy may name them instead.
 * @param subscribed the events that some policy is `on`
 */
export function route(notification: Notification, subscribed: ReadonlySet<string>): SubjectHint[] | null {
  const { eventType, messageId, volumeIds, serverId } = notification
  const hint = { messageId, event: eventType }
  const start = subscribed.has(eventType)
  // Nova names a server's volumes only where `bdms_in_notifications` is set
  if (volumeIds.length === 0 && start && serverId !== null && serverEvents.includes(eventType)) {
    return [{ workflowId: serverWorkflowId(serverId), hint, start }]
  }
  if (volumeIds.length === 0 || !(start || followed.has(eventType))) return null
  return volumeIds.map((volumeId) => ({ workflowId: volumeWorkflowId(volumeId), hint, start }))
}
