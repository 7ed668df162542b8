import { describe, expect, it } from 'vitest'
import { roomFor } from '../../cli/room-for.js'
import type { Policy, VolumeFacts } from '../../policy/policy.js'
import type { Fit, Target } from '../../targets/target.js'
import { policy, volumeFacts } from '../policy/volume-facts.js'

const context = { signal: new AbortController().signal, report: () => undefined }
const gib = 2 ** 30

/** A target that has room for volumes of so many GiB, and notes what it was asked. */
function targetFor(roomGib: number, freeGib: number | null = null) {
  const asked: unknown[] = []
  const preflight = async (volume: { sizeGib: number }, _context: unknown, options: unknown): Promise<Fit> => {
    asked.push({ ...volume, ...(options as object) })
    return volume.sizeGib <= roomGib ? { fits: true } : { fits: false, reason: `only ${roomGib} GiB are left` }
  }
  const capacity = async () => ({ freeBytes: freeGib === null ? null : freeGib * gib, totalBytes: null })
  return { asked, targets: new Map([['cinder', { preflight, capacity } as unknown as Target]]) }
}

async function said(of: Policy, sizes: number[], { targets }: ReturnType<typeof targetFor>): Promise<string[]> {
  const volumes = sizes.map((sizeGib, at): VolumeFacts => volumeFacts({ id: `v${at}`, name: `db-${at}`, sizeGib }))
  const protects = volumes.map((volume) => ({ volume, because: '', shadows: [] }))
  const hosts = new Map(volumes.map(({ id }) => [id, 'a@b#c']))
  return roomFor({ policy: of, protects, shadowed: [], warnings: [] }, targets, hosts, context)
}

describe('policy plan', () => {
  it('says nothing where everything fits', async () => {
    expect(await said(policy('gold'), [1, 10], targetFor(10, 11))).toEqual([])
  })

  it('says which volumes have no room now, and why', async () => {
    expect(await said(policy('gold'), [1, 11, 12, 13, 14], targetFor(10))).toEqual([
      'There is no room on cinder now for 4 volumes (db-1, db-2, db-3, …): only 10 GiB are left.',
    ])
  })

  it('says when one copy of each does not fit, although each would', async () => {
    expect(await said(policy('gold'), [10, 10], targetFor(10, 19))).toEqual([
      'One copy of each of its volumes takes 20 GiB on cinder, and 19 GiB are left there.',
    ])
  })

  it('asks once for all volumes that are alike, and as they would be copied', async () => {
    const target = targetFor(100)
    const forced = policy('gold', { copies: [{ target: 'cinder', force: { maxSizeGib: 5, window: null } }] })
    await said(forced, [5, 5, 6], target)
    expect(target.asked).toEqual([
      { sizeGib: 5, host: 'a@b#c', force: true },
      { sizeGib: 6, host: 'a@b#c', force: false },
    ])
  })
})
