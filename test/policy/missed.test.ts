import { describe, expect, it } from 'vitest'
import { missed } from '../../policy/missed.js'
import type { LastPoint, VolumeFacts } from '../../policy/policy.js'
import { policy, volumeFacts } from './volume-facts.js'

const now = Date.parse('2026-11-25T12:34:00Z')
const point = (capturedAt: string, consistency: LastPoint['consistency'] = 'crash'): LastPoint => ({
  capturedAt,
  consistency,
})

describe('missed', () => {
  const six = policy('six', { on: [], every: '0 */6 * * *' })

  it('is a nominal time since the last point', () => {
    expect(missed(six, volumeFacts(), point('2026-11-25T11:59:59Z'), now)).toBe(
      'Its last point is older than 2026-11-25T12:00:00Z, when it was due (every of six).',
    )
    expect(missed(six, volumeFacts(), point('2026-11-25T12:00:00Z'), now)).toBeNull()
    expect(missed(six, volumeFacts(), point('2026-11-25T12:00:31Z'), now)).toBeNull()
  })

  it('is a nominal time since the volume was created, while it has no point', () => {
    expect(missed(six, volumeFacts(), null, now)).toMatch(/no point, although it was due at 2026-11-25T12:00:00Z/)
    expect(missed(six, volumeFacts({ createdAt: '2026-11-25T12:10:00Z' }), null, now)).toBeNull()
    const zurich = { ...six, every: '0 13 * * *', timezone: 'Europe/Zurich' }
    expect(missed(zurich, volumeFacts({ createdAt: '2026-11-25T11:00:00Z' }), null, now)).toMatch(
      /2026-11-25T12:00:00Z/,
    )
  })

  it('is the first point of a volume that its creation should have asked for', () => {
    const onCreate = policy('new', { on: ['volume.create.end'] })
    expect(missed(onCreate, volumeFacts(), null, now)).toMatch(/archives new volumes/)
    expect(missed(onCreate, volumeFacts(), point('2020-01-01T00:00:00Z'), now)).toBeNull()
    expect(missed(policy('resized', { on: ['volume.resize.end'] }), volumeFacts(), null, now)).toBeNull()
  })

  describe('after a detach', () => {
    const onDetach = policy('detached', { on: ['instance.volume_detach.end'] })
    const look = (volume: Partial<VolumeFacts>, last: LastPoint | null) =>
      missed(onDetach, volumeFacts(volume), last, now)

    it('is a point of a volume that is detached now, and that Cinder changed since the last one', () => {
      expect(look({ updatedAt: '2026-11-25T10:00:00.000000Z' }, point('2026-11-25T09:00:00Z'))).toMatch(
        /changed it \(2026-11-25T10:00:00Z\) after its last point was taken\.$/,
      )
      expect(
        look({ updatedAt: '2026-11-25T10:00:00.000000Z' }, point('2026-11-25T09:00:00Z', 'detached')),
      ).not.toBeNull()
      expect(look({}, null)).toMatch(/detached and has no point/)
    })

    it('is nothing while it is attached, nor when nothing changed since: trying again would not make it better', () => {
      expect(look({ status: 'in-use', updatedAt: '2026-11-25T10:00:00Z' }, point('2026-11-25T09:00:00Z'))).toBeNull()
      expect(look({ updatedAt: '2026-11-25T08:00:00Z' }, point('2026-11-25T09:00:00Z'))).toBeNull()
      expect(look({}, point('2026-11-25T09:00:00Z'))).toBeNull()
      expect(look({ status: 'in-use' }, null)).toBeNull()
    })
  })
})
