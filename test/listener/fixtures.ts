import { readFileSync } from 'node:fs'

/** One message as it was captured on a real cloud, request contexts taken out. */
export interface Captured {
  exchange: string
  routing_key: string
  body: { 'oslo.version': string; 'oslo.message': string }
}

/** The captures of `test/fixtures/notifications/<name>.jsonl`. */
export function captures(name: 'cinder' | 'nova'): Captured[] {
  const file = new URL(`../fixtures/notifications/${name}.jsonl`, import.meta.url)
  return readFileSync(file, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Captured)
}

/** The bytes that were on the wire. */
export const bodyOf = (captured: Captured): Buffer => Buffer.from(JSON.stringify(captured.body))

/** The same as the v1 driver (`messaging`) sends it: without an envelope. */
export const bodyV1Of = (captured: Captured): Buffer => Buffer.from(captured.body['oslo.message'])

/** A message in the v2 envelope. */
export function notification(fields: {
  message_id: string
  event_type: string
  payload: unknown
  [other: string]: unknown
}): Buffer {
  const inner = {
    publisher_id: 'volume.test@ceph#ceph',
    priority: 'INFO',
    timestamp: '2026-11-22 17:21:23.5',
    ...fields,
  }
  return Buffer.from(JSON.stringify({ 'oslo.version': '2.0', 'oslo.message': JSON.stringify(inner) }))
}
