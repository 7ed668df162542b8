import { describe, expect, it } from 'vitest'
import { assess } from '../../policy/assess.js'
import { policyHash } from '../../policy/policy-hash.js'
import { installation, policy, volumeFacts } from './volume-facts.js'
import type { AssessInput } from '../../policy/policy.js'

const two = policy('two', { copies: ['a', 'b'].map((target) => ({ target, force: null })) })

function decide(change: Partial<AssessInput> = {}) {
  return assess({
    volume: volumeFacts(),
    policies: [two],
    installation,
    internalProjectId: null,
    events: ['volume.detach.end'],
    scheduled: false,
    grouped: false,
    reconciled: false,
    lastPolicy: null,
    manual: false,
    last: null,
    now: Date.parse('2026-11-25T12:00:00Z'),
    targets: null,
    ...change,
  })
}

describe('assess', () => {
  it('archives to all targets of the policy after one of its events', () => {
    const decision = decide({ events: ['volume.update.end', 'volume.detach.end'] })
    expect(decision).toMatchObject({ kind: 'archive', policy: 'two', settleSeconds: 30 })
    expect(decision.copies).toEqual([
      { target: 'a', force: false },
      { target: 'b', force: false },
    ])
    expect(decision.reasons.at(-1)).toBe('volume.detach.end asked for it.')
  })

  it('does nothing after events that the policy does not name', () => {
    const decision = decide({ events: ['volume.update.end'] })
    expect(decision).toMatchObject({ kind: 'none', policy: 'two', copies: [] })
    expect(decision.reasons.at(-1)).toMatch(/`on` does not hold volume.update.end/)
  })

  it('archives whatever the events when a person asks', () => {
    expect(decide({ events: [], manual: true })).toMatchObject({ kind: 'archive', policy: 'two' })
  })

  it('archives a volume that no policy protects only when a person names the targets', () => {
    expect(decide({ policies: [] }).kind).toBe('none')
    expect(decide({ policies: [], manual: true }).reasons.at(-1)).toBe('Name the targets that a copy shall go to.')
    expect(decide({ policies: [], manual: true, targets: ['c'] })).toMatchObject({
      kind: 'archive',
      policy: null,
      copies: [{ target: 'c', force: false }],
      consistency: { prefer: ['detached', 'crash'], require: 'crash' },
    })
  })

  it('archives after the detach what a policy protected by its server, and after nothing else', () => {
    const servers = policy('servers', { where: { server: ['db-*'], name: ['data*'] }, on: ['volume.detach.end'] })
    const volume = volumeFacts({ name: 'data-1', servers: [] })
    const left = { policies: [servers], volume, lastPolicy: 'servers' }
    expect(decide(left)).toMatchObject({ kind: 'archive', policy: 'servers', server: null })
    expect(decide(left).reasons.join(' ')).toMatch(/protected it until volume.detach.end/)
    expect(decide({ ...left, lastPolicy: null })).toMatchObject({ kind: 'none', policy: null })
    expect(decide({ ...left, lastPolicy: 'other' })).toMatchObject({ kind: 'none', policy: null })
    expect(decide({ ...left, volume: volumeFacts({ name: 'log', servers: [] }) })).toMatchObject({ policy: null })
    // of another server it is another's
    const other = volumeFacts({ name: 'data-1', servers: [{ id: 's', name: 'web' }] })
    expect(decide({ ...left, volume: other })).toMatchObject({ kind: 'none', policy: null })
    // what stands behind it in the file does not take it, nor does an event that is not its own make it forget
    const rest = policy('rest', { on: [] })
    expect(decide({ ...left, policies: [servers, rest] })).toMatchObject({ kind: 'archive', policy: 'servers' })
    const nova = { ...left, events: ['instance.volume_detach.end'] }
    expect(decide(nova)).toMatchObject({ kind: 'none', policy: 'servers' })
    const first = policy('first', { where: { name: ['data*'] } })
    expect(decide({ ...left, policies: [first, servers] })).toMatchObject({ policy: 'first' })
  })

  it('archives so also when reconcile finds the detach before a notification tells of it, once', () => {
    const servers = policy('servers', { where: { server: ['db-*'] }, on: ['volume.detach.end'] })
    const volume = volumeFacts({ servers: [], updatedAt: '2026-11-25T10:00:00Z' })
    const found = { policies: [servers], volume, lastPolicy: 'servers', events: [], reconciled: true }
    const at = (capturedAt: string) => ({ capturedAt, consistency: 'crash' as const })
    const before = { ...found, last: at('2026-11-25T09:00:00Z') }
    expect(decide(before)).toMatchObject({ kind: 'archive', policy: 'servers' })
    expect(decide(before).reasons.join(' ')).toMatch(/protected it until it was detached/)
    expect(decide({ ...before, last: at('2026-11-25T10:00:01Z') })).toMatchObject({ kind: 'none', policy: null })
    const other = policy('servers', { where: { server: ['db-*'] }, on: [] })
    expect(decide({ ...before, policies: [other] })).toMatchObject({ kind: 'none', policy: null })
  })

  it.each([
    ['a person', 'available', { events: [], manual: true, targets: ['x'] }],
    ['another event', 'available', { events: ['volume.update.end'] }],
    ['a try that failed', 'available', { events: [], scheduled: true }],
    ['reconcile, while its status is another', 'backing-up', { events: [], reconciled: true }],
  ])('forgets no detach that nobody has told of yet when it looks for %s', (_, status, asks) => {
    const servers = policy('servers', { where: { server: ['db-*'] }, on: ['volume.detach.end'] })
    const last = { capturedAt: '2026-11-25T09:00:00Z', consistency: 'crash' as const }
    const facts = { servers: [], updatedAt: '2026-11-25T10:00:00Z' }
    const given = { policies: [servers], last, volume: volumeFacts({ ...facts, status }) }
    const { policy: known } = decide({ ...given, ...asks, lastPolicy: 'servers' })
    const told = { ...given, volume: volumeFacts(facts), lastPolicy: known }
    expect(decide({ ...told, events: ['volume.detach.end'] })).toMatchObject({ kind: 'archive', policy: 'servers' })
    expect(decide({ ...told, events: [], reconciled: true })).toMatchObject({ kind: 'archive', policy: 'servers' })
  })

  it('forgets what nothing tells of: what was archived since, and what only has no server', () => {
    const servers = policy('servers', { where: { server: ['db-*'] }, on: ['volume.detach.end'] })
    const last = { capturedAt: '2026-11-25T11:00:00Z', consistency: 'crash' as const }
    const facts = { servers: [], updatedAt: '2026-11-25T10:00:00Z' }
    const asks = { policies: [servers], events: ['volume.update.end'], lastPolicy: 'servers' }
    expect(decide({ ...asks, last, volume: volumeFacts(facts) })).toMatchObject({ kind: 'none', policy: null })
    for (const status of ['in-use', 'error', 'awaiting-transfer']) {
      const volume = volumeFacts({ ...facts, status })
      expect(decide({ ...asks, last: null, volume })).toMatchObject({ kind: 'none', policy: null })
    }
  })

  it('never archives what we made ourselves, not even for a person', () => {
    const volume = volumeFacts({ metadata: { 'ck:installation': installation } })
    expect(decide({ volume, manual: true, targets: ['a'] })).toMatchObject({ kind: 'none', copies: [] })
    expect(decide({ volume: volumeFacts({ projectId: 'i' }), internalProjectId: 'i' }).kind).toBe('none')
  })

  it('keeps to the targets asked for, and to those of the policy unless a person asks', () => {
    expect(decide({ targets: ['b'] }).copies).toEqual([{ target: 'b', force: false }])
    expect(decide({ targets: ['c'] })).toMatchObject({ kind: 'none', copies: [] })
    expect(decide({ targets: ['c'], manual: true }).copies).toEqual([{ target: 'c', force: false }])
  })

  it('waits for a status in which Cinder takes snapshots, also for an administrator to mend it', () => {
    const kinds = ['in-use', 'creating', 'backing-up', 'reserved', 'error', 'error_restoring', 'deleting'].map(
      (status) => decide({ volume: volumeFacts({ status }) }).kind,
    )
    expect(kinds).toEqual(['archive', 'wait', 'wait', 'wait', 'wait', 'wait', 'none'])
  })

  describe('besides notifications', () => {
    const six = policy('six', {
      every: '0 */6 * * *',
      timezone: 'Europe/Zurich',
      on: ['volume.detach.end'],
      rpoSeconds: 60,
    })
    const scheduled = { policies: [six], events: [], scheduled: true }
    const reconciled = { policies: [six], events: [], reconciled: true }

    it('archives when the schedule of the policy asks, at once', () => {
      const decision = decide(scheduled)
      expect(decision).toMatchObject({
        kind: 'archive',
        settleSeconds: 0,
        rpoSeconds: 60,
        nextAt: '2026-11-25T17:00:00.000Z',
      })
      expect(decision.reasons.at(-1)).toBe(
        'The schedule of policy six asked for it (every "0 */6 * * *", Europe/Zurich).',
      )
    })

    it('settles when a notification is among what asks', () => {
      expect(decide({ ...scheduled, events: ['volume.update.end'] })).toMatchObject({
        kind: 'archive',
        settleSeconds: 30,
      })
    })

    it('does nothing for a schedule when the policy that protects the volume has none', () => {
      const decision = decide({ ...scheduled, policies: [two] })
      expect(decision).toMatchObject({ kind: 'none', nextAt: null, rpoSeconds: null })
      expect(decision.reasons.at(-1)).toBe('Policy two has no `every`.')
    })

    it('archives for reconcile only what was missed', () => {
      expect(decide(reconciled)).toMatchObject({ kind: 'archive' })
      expect(decide(reconciled).reasons.at(-1)).toMatch(/^It has no point, although it was due at 2026-11-25T11:00:00Z/)
      const last = { capturedAt: '2026-11-25T11:00:01Z', consistency: 'crash' as const }
      expect(decide({ ...reconciled, last })).toMatchObject({ kind: 'none' })
      expect(decide({ ...reconciled, last }).reasons.at(-1)).toBe('Nothing was missed.')
      expect(decide({ ...reconciled, last, events: ['volume.detach.end'] }).kind).toBe('archive')
    })
  })

  describe('a policy that protects servers', () => {
    const web = policy('web', { protect: 'servers', every: '0 */6 * * *', on: ['volume.detach.end'] })
    const volume = volumeFacts({
      servers: [
        { id: 'b', name: 'two' },
        { id: 'a', name: 'one' },
      ],
    })
    const servers = (change: Partial<AssessInput> = {}) => decide({ policies: [web], volume, ...change })

    it('captures a volume with its server, of several always with the same', () => {
      expect(servers().server).toEqual({ id: 'a', name: 'one' })
      expect(servers({ manual: true }).server?.id).toBe('a')
    })

    it('captures a volume that no server has attached by itself, as policies for volumes do all', () => {
      expect(servers({ volume: volumeFacts() })).toMatchObject({ kind: 'archive', server: null })
      expect(decide({ volume })).toMatchObject({ kind: 'archive', server: null })
    })

    it('archives when another volume of its server is captured; one for volumes does not', () => {
      expect(servers({ events: [], grouped: true })).toMatchObject({ kind: 'archive', settleSeconds: 0 })
      const decision = decide({ events: [], grouped: true, volume })
      expect(decision.kind).toBe('none')
      expect(decision.reasons.at(-1)).toBe('No policy captures its server as a whole.')
    })

    it('does not archive again for a schedule when it was captured with its server since', () => {
      const at = (capturedAt: string) => ({
        events: [],
        scheduled: true,
        last: { capturedAt, consistency: 'frozen' as const },
      })
      expect(servers(at('2026-11-25T12:00:00Z')).kind).toBe('none')
      expect(servers(at('2026-11-25T11:59:59Z')).kind).toBe('archive')
      const six = policy('six', { every: '0 */6 * * *' })
      expect(decide({ ...at('2026-11-25T12:00:00Z'), policies: [six] }).kind).toBe('archive')
    })
  })

  describe('a window', () => {
    const night = policy('night', { window: { from: 22 * 60, to: 6 * 60 }, timezone: 'Europe/Zurich' })
    const window = (change: Partial<AssessInput> = {}) => decide({ policies: [night], ...change })

    it('that is closed is waited for until it opens', () => {
      expect(window()).toMatchObject({ kind: 'wait', waitUntil: '2026-11-25T21:00:00.000Z' })
      expect(window().reasons.at(-1)).toBe(
        'The window of policy night (22:00-06:00 Europe/Zurich) is closed until 2026-11-25T21:00:00Z.',
      )
      expect(window({ volume: volumeFacts({ status: 'backing-up' }) }).waitUntil).toBe('2026-11-25T21:00:00.000Z')
    })

    it('is not waited for when it is open, when a person asks, and when there is nothing to do', () => {
      expect(window({ now: Date.parse('2026-11-25T21:00:00Z') })).toMatchObject({ kind: 'archive', waitUntil: null })
      expect(window({ manual: true })).toMatchObject({ kind: 'archive', waitUntil: null })
      expect(window({ events: ['volume.update.end'] })).toMatchObject({ kind: 'none', waitUntil: null })
      expect(window({ volume: volumeFacts({ status: 'deleting' }) })).toMatchObject({ kind: 'none', waitUntil: null })
    })
  })

  describe('a copy with force', () => {
    const forced = policy('forced', {
      on: ['volume.update.end', 'volume.detach.end'],
      copies: [{ target: 'cinder', force: { maxSizeGib: 10, window: null } }],
    })
    const force = (change: Partial<AssessInput>) => decide({ policies: [forced], ...change }).copies[0]?.force

    it('is forced up to the size limit', () => {
      const events = ['volume.update.end']
      expect(force({ events })).toBe(true)
      expect(force({ events, volume: volumeFacts({ sizeGib: 11 }) })).toBe(false)
    })

    it('is a full one outside its window, also when a person asks, and says so', () => {
      const copies = [{ target: 'cinder', force: { maxSizeGib: 10, window: { from: 60, to: 120 } } }]
      const policies = [{ ...forced, copies }]
      const events = ['volume.update.end']
      expect(decide({ policies, events, now: Date.parse('2026-11-25T01:30:00Z') }).copies).toEqual([
        { target: 'cinder', force: true },
      ])
      const outside = decide({ policies, events, now: Date.parse('2026-11-25T02:00:00Z') })
      expect(outside.copies).toEqual([{ target: 'cinder', force: false }])
      expect(outside.reasons.at(-1)).toBe(
        'The copy on cinder is a full one: it is outside force.window (01:00-02:00 UTC).',
      )
      expect(force({ policies, manual: true })).toBe(false)
    })

    it('is a full one of what is detached, and is protected for that alone', () => {
      const servers = { ...forced, where: { ...forced.where, server: ['db-*'] } }
      const events = ['volume.update.end']
      const attached = volumeFacts({ servers: [{ id: 's', name: 'db-1' }] })
      expect(force({ policies: [servers], events, volume: attached })).toBe(true)
      const left = { policies: [servers], lastPolicy: 'forced', events, volume: volumeFacts({ servers: [] }) }
      expect(force(left)).toBe(false)
    })

    it('is a full one when reconcile asks, which would find the change that it makes to the volume again and again', () => {
      const last = { capturedAt: '2026-11-24T00:00:00Z', consistency: 'crash' as const }
      const volume = volumeFacts({ updatedAt: '2026-11-24T00:10:00Z' })
      expect(force({ events: [], reconciled: true, last, volume })).toBe(false)
      const policies = [{ ...forced, on: [], every: '0 * * * *' }]
      expect(force({ policies, events: [], reconciled: true, last, volume })).toBe(true)
    })

    it('is a full one when the burst holds a detach, and forced again when a person asks', () => {
      expect(force({ events: ['volume.update.end', 'volume.detach.end'] })).toBe(false)
      expect(decide({ policies: [forced] }).reasons.join(' ')).toMatch(
        /after volume.detach.end the volume may not be held/,
      )
      expect(force({ manual: true })).toBe(true)
    })
  })
})

describe('policyHash', () => {
  it('is the same whatever the order of keys, and another when the order of policies changes', () => {
    const reversed = Object.fromEntries(Object.entries(two).reverse()) as typeof two
    expect(policyHash([reversed])).toBe(policyHash([two]))
    expect(policyHash([two, policy('x')])).not.toBe(policyHash([policy('x'), two]))
    expect(policyHash([{ ...two, settleSeconds: 31 }])).not.toBe(policyHash([two]))
  })
})
