import { describe, expect, it } from 'vitest'
import { decode } from '../../listener/envelope.js'
import { followed, route } from '../../listener/route.js'
import { bodyOf, captures, notification } from './fixtures.js'

const volume = 'dfbe4d97-4484-4a73-ab5f-c0203468fe1a'
const other = '4cd38384-c7af-4346-948d-e042c0efb422'
const none = new Set<string>()

const about = (event_type: string, payload: unknown = { volume_id: volume }): ReturnType<typeof decode> =>
  decode(notification({ message_id: 'm-1', event_type, payload }))

describe('route', () => {
  it('gives a hint that may start the volume’s workflow for an event that a policy is on', () => {
    expect(route(about('volume.create.end'), new Set(['volume.create.end']))).toEqual([
      { workflowId: `volume/${volume}`, hint: { messageId: 'm-1', event: 'volume.create.end' }, start: true },
    ])
  })

  it('gives nothing for an event that no policy is on', () => {
    expect(route(about('volume.create.end'), new Set(['volume.detach.end']))).toBeNull()
    expect(route(about('volume.create.start'), new Set(['volume.create.end']))).toBeNull()
  })

  it('gives nothing for an event that names no volume', () => {
    expect(route(about('image.create', { id: 'x' }), new Set(['image.create']))).toBeNull()
  })

  for (const event of followed) {
    it(`tells a volume that is kept already of ${event}, and starts nothing`, () => {
      expect(route(about(event), none)).toEqual([
        { workflowId: `volume/${volume}`, hint: { messageId: 'm-1', event }, start: false },
      ])
      expect(route(about(event), new Set([event]))?.[0]?.start).toBe(true)
    })
  }

  it('gives one hint for each volume of a server’s event', () => {
    const device = (id: string): unknown => ({ 'nova_object.data': { volume_id: id } })
    const payload = { 'nova_object.data': { block_devices: [device(volume), device(other), device(volume)] } }
    const hints = route(about('instance.shutdown.end', payload), new Set(['instance.shutdown.end']))
    expect(hints?.map(({ workflowId }) => workflowId)).toEqual([`volume/${volume}`, `volume/${other}`])
  })

  it('tells the workflow of a server of an event that names no volumes, when a policy is on it', () => {
    const event = 'compute.instance.power_off.end'
    const hint = { messageId: 'm-1', event }
    const legacy = about(event, { instance_id: other, tenant_id: 'p' })
    expect(route(legacy, new Set([event]))).toEqual([{ workflowId: `server/${other}`, hint, start: true }])
    expect(route(legacy, none)).toBeNull()
    const versioned = about('instance.power_off.end', { 'nova_object.data': { uuid: other, block_devices: [] } })
    expect(route(versioned, new Set(['instance.power_off.end']))?.[0]?.workflowId).toBe(`server/${other}`)
    // where Nova is told to name them, each is told at once
    const device = { 'nova_object.data': { volume_id: volume } }
    const named = about('instance.power_off.end', { 'nova_object.data': { uuid: other, block_devices: [device] } })
    expect(route(named, new Set(['instance.power_off.end']))?.[0]?.workflowId).toBe(`volume/${volume}`)
    // whatever else is about a server is nobody's business
    expect(route(about('compute.instance.update', { instance_id: other }), new Set([event]))).toBeNull()
  })

  it('understands Nova’s legacy and versioned events by their own names, and takes one detach for one hint', () => {
    const detached = (subscribed: string): (string | undefined)[] =>
      captures('nova')
        .flatMap((c) => route(decode(bodyOf(c)), new Set([subscribed])) ?? [])
        .map(({ hint }) => hint.event)
    for (const event of ['volume.detach.end', 'compute.instance.volume.detach', 'instance.volume_detach.end']) {
      expect(detached(event)).toEqual([event])
    }
  })
})
