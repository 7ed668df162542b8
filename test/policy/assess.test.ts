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
    reconciled: false,
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
