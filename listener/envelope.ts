import { CodedError } from '../errors/coded-error.js'

/**
 * One notification without its context. Nothing of the payload is kept but what is named here: payloads may hold
 * secrets (an attachment's connection_info, an instance's user data).
 */
export interface Notification {
  /** oslo's `message_id`. */
  messageId: string
  /** `volume.create.end`, `compute.instance.volume.detach`, `instance.volume_detach.end`, … */
  eventType: string
  /** `INFO`, `ERROR`, …; empty where the publisher gives none. */
  priority: string
  /** `volume.<host>@<backend>#<pool>`, … */
  publisherId: string
  /** ISO 8601, UTC; null where the publisher's is unreadable. For people: arrival order decides, never timestamps. */
  sentAt: string | null
  /** The volumes it is about, in the order given, each once; a server's event may name several. */
  volumeIds: string[]
  /** Of an event of Nova's about a server; null of others. */
  serverId: string | null
  /** The project of the volume or server, where the payload says it. */
  projectId: string | null
}

type Fields = Record<string, unknown>

/** Message ids become part of workflow ids, so nothing but what oslo (a UUID) and its like write is let in. */
const messageIdPattern = /^[\w.:-]{1,128}$/
const eventTypePattern = /^[\w.:-]{1,255}$/
const uuidPattern = /^[\da-f]{8}-[\da-f]{4}-[\da-f]{4}-[\da-f]{4}-[\da-f]{12}$/i

/**
 * Decodes oslo.messaging's v2 envelope (`messagingv2`) and the bare v1 dictionary (`messaging`).
 * @throws CodedError `CK-NOTIFICATION-UNREADABLE`; its message never quotes the content
 */
export function decode(content: Uint8Array): Notification {
  const outer = parseObject(text(content), 'the body')
  const inner = isEnvelope(outer) ? unwrap(outer) : outer
  const payload = isFields(inner['payload']) ? inner['payload'] : {}
  if (!('payload' in inner)) throw unreadable('it has no payload')
  const subject = isFields(payload['nova_object.data']) ? payload['nova_object.data'] : payload
  return {
    messageId: required(inner, 'message_id', messageIdPattern),
    eventType: required(inner, 'event_type', eventTypePattern),
    priority: optional(inner['priority']) ?? '',
    publisherId: optional(inner['publisher_id']) ?? '',
    sentAt: toUtc(inner['timestamp']),
    volumeIds: volumeIdsOf(subject),
    serverId: serverIdOf(subject),
    projectId: optional(subject['tenant_id']) ?? optional(subject['project_id']) ?? null,
  }
}

/** What is left of an undecodable body without any request context, or null when it cannot be told apart. */
export function withoutContexts(content: Uint8Array): Buffer | null {
  try {
    const outer = parseObject(text(content), 'the body')
    const { 'oslo.message': message } = outer
    const inner = typeof message === 'string' ? { 'oslo.message': JSON.stringify(strip(parse(message, ''))) } : {}
    return Buffer.from(JSON.stringify({ ...(strip(outer) as Fields), ...inner }))
  } catch (error) {
    // a body nested so deeply that the stack does not hold it must not stay with us for ever
    if (error instanceof CodedError || error instanceof RangeError) return null
    throw error
  }
}

function text(content: Uint8Array): string {
  return Buffer.from(content.buffer, content.byteOffset, content.byteLength).toString('utf8')
}

function isEnvelope(outer: Fields): boolean {
  return 'oslo.version' in outer || 'oslo.message' in outer
}

function unwrap(envelope: Fields): Fields {
  const { 'oslo.version': version, 'oslo.message': message } = envelope
  if (typeof version !== 'string' || !/^2(\.|$)/.test(version)) throw unreadable('its oslo.version is not 2.x')
  if (typeof message !== 'string') throw unreadable('its oslo.message is not a string')
  return parseObject(message, 'oslo.message')
}

/**
 * Cinder and Nova's legacy events: `volume_id`. Nova's versioned events: the same inside `nova_object.data`, a swap's
 * `old_volume_id` and `new_volume_id`, and the `block_devices` of an instance's events.
 */
function volumeIdsOf(subject: Fields): string[] {
  const ids = [subject['volume_id'], subject['old_volume_id'], subject['new_volume_id']]
  const devices: unknown = subject['block_devices']
  if (Array.isArray(devices)) {
    for (const device of devices as unknown[]) {
      const data = isFields(device) ? device['nova_object.data'] : undefined
      if (isFields(data)) ids.push(data['volume_id'])
    }
  }
  return [...new Set(ids.flatMap(volumeId))]
}

/** Legacy `instance_id`, versioned `uuid`; what is no UUID is not about a server that Nova could be asked about. */
function serverIdOf(subject: Fields): string | null {
  const id = subject['instance_id'] ?? subject['uuid']
  return typeof id === 'string' && uuidPattern.test(id) ? id.toLowerCase() : null
}

function volumeId(value: unknown): string[] {
  if (value === undefined || value === null || value === '') return []
  // it becomes a workflow's id: anything else than Cinder's UUIDs would be somebody's invention
  if (typeof value !== 'string' || !uuidPattern.test(value)) throw unreadable('a volume id in it is not a UUID')
  return [value.toLowerCase()]
}

function required(fields: Fields, name: string, pattern: RegExp): string {
  const value = fields[name]
  if (typeof value !== 'string' || !pattern.test(value)) throw unreadable(`its ${name} is missing or malformed`)
  return value
}

function optional(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value : null
}

/** Timestamps come with and without an offset, with a blank or a T; without an offset they are UTC. */
function toUtc(value: unknown): string | null {
  if (typeof value !== 'string') return null
  const [, date, time, offset] =
    /^(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d(?:\.\d+)?)(Z|[+-]\d\d:?\d\d)?$/.exec(value) ?? []
  if (date === undefined || time === undefined) return null
  const parsed = new Date(`${date}T${time}${offset ?? 'Z'}`)
  return Number.isNaN(parsed.getTime()) ? null : parsed.toISOString()
}

function parseObject(json: string, what: string): Fields {
  const value = parse(json, what)
  if (!isFields(value)) throw unreadable(`${what} is not a JSON object`)
  return value
}

function parse(json: string, what: string): unknown {
  try {
    return JSON.parse(json) as unknown
  } catch (error) {
    // the SyntaxError quotes what it could not parse, which may be a token: it is not even kept as the cause
    if (error instanceof SyntaxError) throw unreadable(`${what} is not JSON`)
    throw error
  }
}

/** Nested payload objects carry contexts too (Nova's `pci_requests._context`). */
function strip(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(strip)
  if (!isFields(value)) return value
  const kept = Object.entries(value).filter(([name]) => !name.startsWith('_context'))
  return Object.fromEntries(kept.map(([name, inner]) => [name, strip(inner)]))
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function unreadable(why: string): CodedError {
  return new CodedError('CK-NOTIFICATION-UNREADABLE', `a notification cannot be read: ${why}`, {
    cure: 'It lies in the dead-letter queue with this reason; see who publishes it. Nothing else is held up.',
  })
}
