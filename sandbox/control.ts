import { z } from 'zod'
import type { Cloud } from './cloud.js'
import { guestAnswer, snapshotsAnswer } from './control-guests.js'
import type { Fault } from './faults.js'
import type { ApiAnswer, Service } from './http.js'
import type { Recorder } from './record.js'

const works = [
  'volume.create',
  'volume.delete',
  'volume.resize',
  'volume.attach',
  'volume.detach',
  'snapshot.create',
  'snapshot.delete',
  'backup.create',
  'backup.restore',
  'backup.delete',
  'image.snapshot',
  'image.create',
  'server.thaw',
] as const

const times = { nth: z.number().int().positive().optional(), count: z.number().int().positive().optional() }
const pattern = z.string().refine((text) => isPattern(text), 'no regular expression')
const onRequest = { method: z.string().optional(), path: pattern.optional(), body: pattern.optional(), ...times }
const event = { event: z.string().optional(), ...times }

const faultBody = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('status'),
    status: z.number().int().min(200).max(599),
    message: z.string().optional(),
    retryAfter: z.string().optional(),
    ...onRequest,
  }),
  z.strictObject({ kind: z.literal('hang'), ...onRequest }),
  z.strictObject({ kind: z.literal('slow'), milliseconds: z.number().positive(), ...onRequest }),
  z.strictObject({ kind: z.literal('lost-answer'), ...onRequest }),
  z.strictObject({ kind: z.literal('stuck'), work: z.enum(works), ...times }),
  z.strictObject({ kind: z.literal('fail'), work: z.enum(works), reason: z.string().optional(), ...times }),
  z.strictObject({ kind: z.literal('lose-notification'), ...event }),
  z.strictObject({ kind: z.literal('double-notification'), ...event }),
  z.strictObject({ kind: z.literal('hold-notification'), by: z.number().int().positive().optional(), ...event }),
  z.strictObject({
    kind: z.literal('damage-backup'),
    how: z.enum(['flip', 'truncate', 'gone']),
    backup: z.string().optional(),
    ...times,
  }),
  z.strictObject({ kind: z.literal('no-backup-service'), ...times }),
])

/** `/_sandbox`: faults to ask for, guests, and the record of what was asked of the cloud. No token is needed. */
export function control(cloud: Cloud, recorder: Recorder): Service {
  return {
    mount: '_sandbox',
    answer: async (request) => {
      const [, what = '', id] = request.path.split('/')
      if (what === 'guests') return guestAnswer(cloud, request)
      if (what === 'snapshots' && request.method === 'GET') return snapshotsAnswer(cloud)
      if (what === 'faults') return faults(cloud, request.method, id, request.body)
      if (what === 'record' && request.method === 'GET') {
        return {
          status: 200,
          body: {
            requests: recorder.requests,
            maxConcurrent: recorder.maxConcurrent,
            notifications: cloud.notifier.published.map(({ eventType, messageId }) => ({ eventType, messageId })),
          },
        }
      }
      if (what === 'record' && request.method === 'DELETE') {
        recorder.clear()
        return { status: 204 }
      }
      return {
        status: 404,
        body: { error: 'there are /_sandbox/faults, /_sandbox/guests, /_sandbox/snapshots and /_sandbox/record' },
      }
    },
  }
}

function faults(cloud: Cloud, method: string, id: string | undefined, body: unknown): ApiAnswer {
  if (method === 'GET') return { status: 200, body: { faults: cloud.faults.list() } }
  if (method === 'DELETE') {
    if (id === undefined) cloud.faults.clear()
    else if (!cloud.faults.remove(id)) return { status: 404, body: { error: `there is no fault ${id}` } }
    return { status: 204 }
  }
  if (method !== 'POST') return { status: 405, body: { error: 'GET, POST or DELETE' } }
  const parsed = faultBody.safeParse(body)
  if (!parsed.success) return { status: 400, body: { error: z.prettifyError(parsed.error) } }
  // what the schema lets through has no undefined in it: it came from JSON
  return { status: 201, body: { id: cloud.faults.add(parsed.data as Fault) } }
}

function isPattern(text: string): boolean {
  try {
    new RegExp(text)
    return true
  } catch {
    return false
  }
}
