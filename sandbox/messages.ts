import { randomUUID } from 'node:crypto'
import { notFound } from './api-error.js'
import type { Caller, Cloud } from './cloud.js'
import type { ApiRequest, Route } from './http.js'
import type { MessageRecord } from './state.js'
import { databaseTime } from './state.js'
import { linksOf } from './volume-view.js'

/** Actions and details of cinder/message/message_field.py that the sandbox uses. */
const actions = {
  scheduleVolume: ['001', 'schedule allocate volume'],
  deleteSnapshot: ['010', 'delete snapshot'],
  createBackup: ['013', 'create backup'],
  deleteBackup: ['014', 'delete backup'],
  restoreBackup: ['015', 'restore backup'],
} as const
const details = {
  unknown: ['001', 'An unknown error occurred.'],
  snapshotIsBusy: ['015', 'Snapshot is busy.'],
  createDriver: ['020', 'Backup driver failed to create backup.'],
  scheduleBackup: ['024', 'Backup failed to schedule. Service not found for creating backup.'],
  deleteDriver: ['025', 'Backup driver failed to delete backup.'],
  restore: ['026', 'Backup driver failed to restore backup.'],
} as const

/** Leaves a message as Cinder does when something fails after its answer. */
export function leaveMessage(
  cloud: Cloud,
  caller: Caller,
  resource: { type: 'VOLUME' | 'VOLUME_BACKUP' | 'VOLUME_SNAPSHOT'; id: string },
  action: keyof typeof actions,
  detail: keyof typeof details,
): void {
  const message: MessageRecord = {
    id: randomUUID(),
    projectId: caller.projectId,
    actionId: actions[action][0],
    detailId: details[detail][0],
    userMessage: `${actions[action][1]}:${details[detail][1]}`,
    requestId: caller.requestId,
    resourceType: resource.type,
    resourceId: resource.id,
    createdAt: databaseTime(),
  }
  cloud.state.messages.set(message.id, message)
}

const month = 30 * 24 * 3600 * 1000

/** `GET /messages` (3.3; filters 3.5). */
export function messageRoutes(cloud: Cloud): readonly Route[] {
  const shown = (request: ApiRequest, message: MessageRecord): unknown => ({
    id: message.id,
    event_id: `VOLUME_${message.resourceType}_${message.actionId}_${message.detailId}`,
    user_message: message.userMessage,
    message_level: 'ERROR',
    created_at: message.createdAt,
    guaranteed_until: databaseTime(new Date(Date.parse(`${message.createdAt.slice(0, 23)}Z`) + month)),
    request_id: message.requestId,
    links: linksOf(request, 'messages', message.id),
    resource_type: message.resourceType,
    resource_uuid: message.resourceId,
  })
  return [
    [
      'GET',
      '/messages',
      (request) => {
        const wanted = request.query.get('resource_uuid')
        const messages = [...cloud.state.messages.values()].filter(
          (message) =>
            message.projectId === request.caller.projectId && (wanted === null || message.resourceId === wanted),
        )
        return { status: 200, body: { messages: messages.map((message) => shown(request, message)) } }
      },
      3,
    ],
    [
      'GET',
      '/messages/:id',
      (request) => {
        const message = cloud.state.messages.get(request.params['id'] ?? '')
        if (message?.projectId !== request.caller.projectId) throw notFound('Message', request.params['id'] ?? '')
        return { status: 200, body: { message: shown(request, message) } }
      },
      3,
    ],
  ]
}
