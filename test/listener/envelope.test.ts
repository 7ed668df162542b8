import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { CodedError } from '../../errors/coded-error.js'
import { decode, withoutContexts } from '../../listener/envelope.js'
import { bodyOf, bodyV1Of, captures, notification } from './fixtures.js'

const vol1 = 'dfbe4d97-4484-4a73-ab5f-c0203468fe1a'
const root = '934f6d59-3c0e-4b00-9d03-269ecb1105a1'
const data = '4cd38384-c7af-4346-948d-e042c0efb422'

/** What the captured messages say, one line each: event, volumes. */
const expected: Record<'cinder' | 'nova', [string, string[]][]> = {
  cinder: [
    ['volume_type.create', []],
    ['volume_type_extra_specs.create', []],
    ['volume.create.start', [vol1]],
    ['volume.create.end', [vol1]],
    ['snapshot.create.start', [vol1]],
    ['snapshot.create.end', [vol1]],
    ['backup.create.start', [vol1]],
    ['backup.create.start', [vol1]],
    ['backup.create.end', [vol1]],
  ],
  nova: [
    ['image.create', []],
    ['image.update', []],
    ['image.prepare', []],
    ['image.upload', []],
    ['image.activate', []],
    ['snapshot.delete.end', [data]],
    ['flavor.create', []],
    ['scheduler.select_destinations.start', []],
    ['scheduler.select_destinations.start', []],
    ['scheduler.select_destinations.end', []],
    ['scheduler.select_destinations.end', []],
    ['compute.instance.update', []],
    ['instance.update', []],
    ['compute.instance.create.start', []],
    ['instance.create.start', [root]],
    ['volume.attach.start', [root]],
    ['volume.attach.end', [root]],
    ['image.send', []],
    ['compute.instance.create.end', []],
    ['instance.create.end', [root]],
    ['instance.volume_attach.start', [data]],
    ['compute.instance.volume.attach', [data]],
    ['instance.volume_attach.end', [data]],
    ['snapshot.create.start', [root]],
    ['snapshot.create.end', [data]],
    ['instance.volume_detach.start', [data]],
    ['volume.detach.start', [data]],
    ['volume.detach.end', [data]],
    ['compute.instance.volume.detach', [data]],
    ['instance.volume_detach.end', [data]],
    ['compute.instance.delete.start', []],
    ['instance.delete.start', [root]],
    ['compute.instance.shutdown.start', []],
    ['instance.shutdown.start', [root]],
    ['compute.instance.shutdown.end', []],
    ['instance.shutdown.end', [root]],
    ['compute.instance.delete.end', []],
    ['instance.delete.end', [root]],
    ['quiesce_instance', []],
    ['compute.exception', []],
    ['image.delete', []],
  ],
}

describe('decode', () => {
  for (const file of ['cinder', 'nova'] as const) {
    it(`reads every message captured in ${file}.jsonl, in the v2 envelope`, () => {
      const read = captures(file).map((captured) => decode(bodyOf(captured)))
      expect(read.map(({ eventType, volumeIds }) => [eventType, volumeIds])).toEqual(expected[file])
      for (const { messageId } of read) expect(messageId).toMatch(/^[\da-f-]{36}$/)
    })

    it(`reads every message captured in ${file}.jsonl the same without an envelope (v1)`, () => {
      const messages = captures(file)
      expect(messages.map((captured) => decode(bodyV1Of(captured)))).toEqual(
        messages.map((captured) => decode(bodyOf(captured))),
      )
    })
  }

  it('tells what it is, of whom, and when it was sent, in UTC', () => {
    const [, , , createEnd] = captures('cinder')
    expect(createEnd && decode(bodyOf(createEnd))).toEqual({
      messageId: '61d33ea9-8574-41a4-b2bb-516fc8a0086b',
      serverId: null,
      eventType: 'volume.create.end',
      priority: 'INFO',
      publisherId: 'volume.lab@ceph#ceph',
      sentAt: '2026-11-22T17:21:23.507Z',
      volumeIds: [vol1],
      projectId: '3a14b1bca0644279b75769798ad90c5b',
    })
  })

  it('takes timestamps with an offset, with a T, and unreadable ones for what they are', () => {
    const sentAt = (timestamp: unknown): string | null =>
      decode(notification({ message_id: 'm', event_type: 'e', payload: {}, timestamp })).sentAt
    expect(sentAt('2026-11-22 17:21:23.507431')).toBe('2026-11-22T17:21:23.507Z')
    expect(sentAt('2026-11-22T18:21:23+01:00')).toBe('2026-11-22T17:21:23.000Z')
    expect(sentAt('2026-11-22T17:21:23Z')).toBe('2026-11-22T17:21:23.000Z')
    expect(sentAt('yesterday')).toBeNull()
    expect(sentAt('2026-13-45 99:99:99')).toBeNull()
    expect(sentAt(7)).toBeNull()
  })

  it('names both volumes of a swap, and each volume once', () => {
    const swap = { 'nova_object.data': { old_volume_id: root, new_volume_id: data, volume_id: root.toUpperCase() } }
    const read = decode(notification({ message_id: 'm', event_type: 'instance.volume_swap.end', payload: swap }))
    expect(read.volumeIds).toEqual([root, data])
  })

  it('keeps nothing of contexts, connection data or anything else that it was not asked for', () => {
    const read = decode(
      notification({
        message_id: 'm',
        event_type: 'volume.attach.end',
        _context_auth_token: 'sesame-1',
        payload: { volume_id: vol1, volume_attachment: [{ connection_info: '{"auth_password": "sesame-2"}' }] },
      }),
    )
    expect(JSON.stringify(read)).not.toContain('sesame')
  })

  const unreadable: [string, Buffer, RegExp][] = [
    ['is not JSON', Buffer.from('{"oslo.version": "2.0", "x": sesame'), /the body is not JSON/],
    ['is empty', Buffer.alloc(0), /the body is not JSON/],
    ['is a list', Buffer.from('[]'), /the body is not a JSON object/],
    ['has an envelope of another version', Buffer.from('{"oslo.version":"3.0","oslo.message":"{}"}'), /not 2\.x/],
    ['has an envelope without a message', Buffer.from('{"oslo.version":"2.0"}'), /oslo\.message is not a string/],
    [
      'has an inner message cut short',
      Buffer.from('{"oslo.version":"2.0","oslo.message":"{\\"a"}'),
      /oslo\.message is not/,
    ],
    ['has no message id', Buffer.from('{"event_type":"e","payload":{}}'), /message_id/],
    [
      'has a message id that could break a workflow id',
      notification({ message_id: 'a/b c', event_type: 'e', payload: {} }),
      /message_id/,
    ],
    ['has no event type', Buffer.from('{"message_id":"m","payload":{}}'), /event_type/],
    ['has no payload', Buffer.from('{"message_id":"m","event_type":"e"}'), /no payload/],
    [
      'names a volume by something that is no UUID',
      notification({ message_id: 'm', event_type: 'e', payload: { volume_id: '../x' } }),
      /not a UUID/,
    ],
  ]
  for (const [what, body, reason] of unreadable) {
    it(`refuses a message that ${what}, and does not quote it`, () => {
      const error = errorOf(() => decode(body))
      expect(error.code).toBe('CK-NOTIFICATION-UNREADABLE')
      expect(error.message).toMatch(reason)
      expect(JSON.stringify([error.message, error.cure, error.stack, error.cause])).not.toContain('sesame')
    })
  }

  it('reads or refuses whatever bytes come, and never does anything else', () => {
    const bodies = (['cinder', 'nova'] as const).flatMap((file) =>
      captures(file).flatMap((c) => [bodyOf(c), bodyV1Of(c)]),
    )
    const change = fc.record({
      at: fc.nat(),
      byte: fc.integer({ min: 0, max: 255 }),
      cut: fc.integer({ min: 0, max: 3 }),
    })
    fc.assert(
      fc.property(fc.constantFrom(...bodies), fc.array(change, { minLength: 1, maxLength: 8 }), (body, changes) => {
        let mutated = Buffer.from(body)
        for (const { at, byte, cut } of changes) {
          const place = at % (mutated.length + 1)
          mutated = Buffer.concat([mutated.subarray(0, place), Buffer.of(byte), mutated.subarray(place + cut)])
        }
        onlyReadsOrRefuses(mutated)
      }),
      { numRuns: 3000 },
    )
  })

  it('reads or refuses whatever JSON stands in place of any of its parts', () => {
    const inner = fc.record(
      {
        message_id: fc.oneof(fc.constant('m'), fc.jsonValue()),
        event_type: fc.oneof(fc.constant('volume.create.end'), fc.jsonValue()),
        timestamp: fc.jsonValue(),
        publisher_id: fc.jsonValue(),
        payload: fc.oneof(
          fc.jsonValue(),
          fc.record({ volume_id: fc.jsonValue(), block_devices: fc.jsonValue(), tenant_id: fc.jsonValue() }),
          fc.record({ 'nova_object.data': fc.jsonValue() }),
        ),
      },
      { requiredKeys: [] },
    )
    fc.assert(
      fc.property(inner, fc.boolean(), (fields, enveloped) => {
        const json = JSON.stringify(fields)
        onlyReadsOrRefuses(
          Buffer.from(enveloped ? JSON.stringify({ 'oslo.version': '2.0', 'oslo.message': json }) : json),
        )
      }),
      { numRuns: 2000 },
    )
  })
})

describe('withoutContexts', () => {
  const context = {
    _context_auth_token: 'sesame',
    payload: { spec: [{ _context: { auth_token: 'sesame' } }], kept: 1 },
  }

  it('takes request contexts out at every depth, of both envelopes, and leaves the rest', () => {
    const v2 = withoutContexts(
      Buffer.from(JSON.stringify({ 'oslo.version': '9', 'oslo.message': JSON.stringify(context) })),
    )
    expect(v2?.toString()).toBe('{"oslo.version":"9","oslo.message":"{\\"payload\\":{\\"spec\\":[{}],\\"kept\\":1}}"}')
    expect(withoutContexts(Buffer.from(JSON.stringify(context)))?.toString()).toBe('{"payload":{"spec":[{}],"kept":1}}')
  })

  it('says so when the bytes cannot be taken apart', () => {
    expect(withoutContexts(Buffer.from('{"_context_auth_token": "sesa'))).toBeNull()
    expect(withoutContexts(Buffer.from('{"oslo.message": "{\\"_context_auth_token"}'))).toBeNull()
  })

  it('says so of a body that is nested deeper than the stack', () => {
    expect(withoutContexts(Buffer.from(`{"payload":${'['.repeat(50_000)}${']'.repeat(50_000)}}`))).toBeNull()
  })
})

function onlyReadsOrRefuses(body: Buffer): void {
  try {
    const { messageId, eventType, volumeIds } = decode(body)
    expect(messageId).toMatch(/^[\w.:-]{1,128}$/)
    expect(eventType).not.toBe('')
    for (const id of volumeIds) expect(id).toMatch(/^[\da-f-]{36}$/)
  } catch (error) {
    if (!(error instanceof CodedError)) throw error
    expect(error.code).toBe('CK-NOTIFICATION-UNREADABLE')
  }
}

function errorOf(act: () => unknown): CodedError {
  try {
    act()
  } catch (error) {
    if (error instanceof CodedError) return error
    throw error
  }
  throw new Error('it was read')
}
