import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { decode } from '../listener/envelope.js'
import { route } from '../listener/route.js'
import { projectRoot } from '../setup/project.js'

/** The event that the bench's policy is on. */
const event = 'volume.create.end'

/** What a cloud says when a volume was created, in oslo's envelope. */
export function created(volumeId: string): Buffer {
  const message = {
    ...{ message_id: randomUUID(), publisher_id: 'volume.bench@files#files', event_type: event, priority: 'INFO' },
    ...{ timestamp: '2026-11-22 17:21:23.5', payload: { volume_id: volumeId, tenant_id: 'bench', size: 1 } },
  }
  return Buffer.from(JSON.stringify({ 'oslo.version': '2.0', 'oslo.message': JSON.stringify(message) }))
}

/** Notifications of a real cloud, of Cinder and Nova, that no policy wants; some hundred bytes to some KiB each. */
export function uninteresting(): Buffer[] {
  return ['cinder', 'nova'].flatMap((service) => {
    const lines = readFileSync(join(projectRoot, 'test', 'fixtures', 'notifications', `${service}.jsonl`), 'utf8')
    return lines
      .trim()
      .split('\n')
      .map((line) => Buffer.from(JSON.stringify((JSON.parse(line) as { body: unknown }).body)))
      .filter((body) => route(decode(body), new Set([event])) === null)
  })
}
