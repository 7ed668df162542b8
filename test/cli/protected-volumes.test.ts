import { describe, expect, it } from 'vitest'
import type { Verified } from '../../cli/follow-verification.js'
import type { Entity } from '../../cli/list-entities.js'
import { protectedVolumes } from '../../cli/protected-volumes.js'
import { exitCodeOf } from '../../cli/verify.js'
import type { VolumeFacts } from '../../policy/policy.js'
import { installation, policy, volumeFacts } from '../policy/volume-facts.js'

const now = Date.UTC(2026, 0, 2)
const config = {
  policies: [
    policy('gold', { where: { metadata: { archive: 'gold' } }, rpoSeconds: 3600 }),
    policy('rest', { where: { name: ['rest-*'] } }),
  ],
  installation,
  internalProjectId: null,
}
const gold = (id: string, change: Partial<VolumeFacts> = {}) =>
  volumeFacts({ id, name: `n-${id}`, metadata: { archive: 'gold' }, ...change })
function entity(volumeId: string, change: Partial<Entity> = {}): [string, Entity] {
  const known = { name: `n-${volumeId}`, project: 'payments', policy: 'gold', protection: 'protected' } as const
  const verifiedAt = new Date(now - 60_000).toISOString()
  return [volumeId, { volumeId, ...known, verifiedAt, dueAt: null, points: 1, ...change }]
}
const rows = (volumes: VolumeFacts[], entities: [string, Entity][]) =>
  protectedVolumes(volumes, new Map(entities), config, now)

describe('volumes', () => {
  it('tells the age of the last verified point beside what the policy wants', () => {
    const [row] = rows([gold('a')], [entity('a')])
    expect(row).toMatchObject({ policy: 'gold', ageSeconds: 60, rpoSeconds: 3600, state: 'protected', overdue: false })
    expect(row?.remark).toBeNull()
  })

  it('calls overdue what its workflow does, what is older than wanted, and what nobody knows', () => {
    const old = { verifiedAt: new Date(now - 3_601_000).toISOString() }
    const found = rows(
      [gold('a'), gold('b'), gold('c'), gold('d'), volumeFacts({ id: 'e', name: 'rest-e' })],
      [
        entity('a', { protection: 'overdue', verifiedAt: null }),
        entity('b', { protection: 'failing', ...old }),
        entity('d', { protection: null, verifiedAt: null }),
        entity('f', { protection: 'source-gone', policy: null, ...old }),
      ],
    )
    expect(found.map(({ volume, state, overdue }) => [volume, state, overdue])).toEqual([
      ['a', 'overdue', true],
      ['b', 'failing', true],
      ['c', 'unknown', true],
      ['d', 'pending', false],
      ['f', 'source-gone', false],
      ['e', 'unknown', false],
    ])
    expect(found.find(({ volume }) => volume === 'c')?.remark).toContain('cinderkeep reconcile')
  })

  it('shows what a policy protected once while copies of it are kept, and nothing that never was', () => {
    const plain = volumeFacts({ id: 'p', name: 'p' })
    const found = rows([plain, volumeFacts({ id: 'q', name: 'q' })], [entity('p')])
    expect(found.map(({ volume, remark }) => [volume, remark])).toEqual([
      ['p', 'no policy of this file protects it any more'],
    ])
    for (const protection of [null, 'rebuilding'] as const) {
      expect(rows([plain], [entity('p', { policy: null, protection, points: 0 })])).toEqual([])
    }
  })

  it('says when the file would have another policy protect it', () => {
    const [row] = rows([gold('a')], [entity('a', { policy: 'rest' })])
    expect(row?.policy).toBe('rest')
    expect(row?.remark).toContain('this file says gold')
  })
})

describe('verify', () => {
  const copies = (...found: Verified['copies'][number]['found'][]) => ({
    copies: found.map((one) => ({ target: 't', copy: {}, found: one, reason: null, failure: null })),
  })
  const code = (...found: Verified['copies'][number]['found'][]) => exitCodeOf(copies(...found) as Verified)

  it('ends with 0 when every copy is verified, with 3 when something is good or could not be compared, else with 1', () => {
    expect(code('verified', 'verified')).toBe(0)
    expect(code('verified', 'damaged')).toBe(3)
    expect(code('unverified')).toBe(3)
    expect(code('damaged', null)).toBe(1)
    expect(code('suspect')).toBe(1)
  })
})
