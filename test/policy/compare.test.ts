import { describe, expect, it } from 'vitest'
import { compare, eventGraceMs, scheduleGraceMs, type Watched } from '../../policy/compare.js'
import type { VolumeFacts } from '../../policy/policy.js'
import { policy, volumeFacts } from './volume-facts.js'

const now = Date.parse('2026-11-25T12:30:00Z')
const iso = (ms: number): string => `${new Date(ms).toISOString().slice(0, 19)}Z`
const gold = policy('gold', { on: ['volume.create.end', 'volume.detach.end'], settleSeconds: 30 })
const hourly = policy('hourly', { on: [], every: '0 * * * *' })
const detached = { capturedAt: '2026-11-25T11:59:00Z', consistency: 'detached' as const }

function watched(change: Partial<Watched> = {}): Watched {
  return { policy: 'gold', protection: 'protected', last: detached, ...change }
}
const why = (volume: Partial<VolumeFacts>, its: Watched | null, by = gold as typeof gold | null): string | null =>
  compare(volumeFacts(volume), by, its, now)?.why ?? null

describe('compare', () => {
  it('finds nothing where all was told', () => {
    expect(why({ updatedAt: '2026-11-25T11:58:00Z' }, watched())).toBeNull()
    expect(
      why({}, watched({ policy: 'hourly', last: { ...detached, capturedAt: '2026-11-25T12:00:10Z' } }), hourly),
    ).toBeNull()
    expect(why({}, watched({ policy: null, protection: 'protected' }), null)).toBeNull()
    expect(why({}, null, null)).toBeNull()
  })

  it('finds a volume that a policy protects and nobody watches', () => {
    expect(compare(volumeFacts(), gold, null, now)).toEqual({
      ...{ why: 'unwatched', says: 'Policy gold protects it, but nobody watches it.' },
    })
  })

  it('finds a volume that another policy protects than was known, or none any more', () => {
    expect(compare(volumeFacts(), gold, watched({ policy: 'silver' }), now)).toEqual({
      ...{ why: 'policy', says: 'It was protected by silver, and now by gold.' },
    })
    expect(why({}, watched({ policy: null }))).toBe('policy')
    expect(why({}, watched(), null)).toBe('policy')
  })

  it('finds a volume that was taken for deleted', () => {
    expect(why({}, watched({ protection: 'source-gone', policy: null }))).toBe('returned')
  })

  it('finds a creation of which nobody told', () => {
    expect(why({}, watched({ protection: null, last: null }))).toBe('missed')
  })

  it('finds a detach of which nobody told, by the time at which Cinder changed the volume', () => {
    expect(why({ updatedAt: '2026-11-25T12:10:00Z' }, watched())).toBe('missed')
    expect(why({ updatedAt: '2026-11-25T12:10:00Z', status: 'in-use' }, watched())).toBeNull()
  })

  it('finds a nominal time that passed without a point, but gives its schedule time to tell all', () => {
    const due = watched({ policy: 'hourly', last: { ...detached, capturedAt: '2026-11-25T11:00:20Z' } })
    expect(why({}, due, hourly)).toBe('missed')
    const nominal = Date.parse('2026-11-25T12:00:00Z')
    expect(compare(volumeFacts(), hourly, due, nominal + scheduleGraceMs - 1)).toBeNull()
    expect(compare(volumeFacts(), hourly, due, nominal + scheduleGraceMs)?.why).toBe('missed')
  })

  it('finds a volume whose workflow does not know the rpo that is applied now', () => {
    const daily = policy('gold', { on: [], rpoSeconds: 86_400 })
    const old = { ...detached, capturedAt: '2026-11-23T12:00:00Z' }
    expect(why({}, watched({ last: old }), daily)).toBe('policy')
    expect(why({}, watched({ last: old, protection: 'overdue' }), daily)).toBeNull()
    expect(why({}, watched({ protection: 'overdue' }), daily)).toBe('policy')
    expect(why({}, watched({ last: null, protection: 'overdue' }), { ...daily, rpoSeconds: null })).toBe('policy')
    expect(why({}, watched({ last: null, protection: 'overdue' }), daily)).toBeNull()
  })

  it('says nothing of a volume that was changed just now: two that ask for one archive would make two', () => {
    const grace = eventGraceMs + 30_000
    const changed = (ms: number) => [iso(now - ms), iso(now - ms)]
    for (const its of [null, watched({ policy: 'silver' }), watched({ last: null })]) {
      const [young, old] = [changed(grace - 1000), changed(grace + 1000)]
      expect(why({ createdAt: young[0] ?? '' }, its)).toBeNull()
      expect(why({ updatedAt: young[0] ?? '' }, its)).toBeNull()
      expect(why({ createdAt: old[0] ?? '', updatedAt: old[1] ?? '' }, its)).not.toBeNull()
    }
  })

  it('says nothing of what is not there yet, or no more, or whose workflow has only begun', () => {
    expect(why({ status: 'creating' }, null)).toBeNull()
    expect(why({ status: 'deleting' }, watched({ policy: 'silver' }))).toBeNull()
    expect(why({}, watched({ protection: 'rebuilding', policy: null, last: null }))).toBeNull()
  })
})
