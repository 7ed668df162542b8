import { describe, expect, it } from 'vitest'
import { listCopies } from '../../activities/list-copies.js'
import type { Deps } from '../../activities/control-activities.js'
import type { Copy } from '../../targets/target.js'
import { environment } from './bench.js'

const copy = (day: number, state: Copy['state']): Copy => ({
  ...{ target: 'cinder', kind: 'cinder-backup', point: `p${day}`, archiveId: `a${day}`, archive: 'x', slot: 's' },
  ...{
    group: null,
    volumeId: 'v',
    projectId: 'p',
    snapshotId: 's',
    consistency: 'crash',
    sizeBytes: 1,
    ref: {},
    state,
  },
  capturedAt: new Date(Date.UTC(2020, 0, 1 + day)).toISOString(),
  ...{ rootHash: null, verifiedAt: null, writtenBytes: null, storedBytes: null, basePoint: null, reason: null },
})

async function listed(copies: Copy[], point?: string): Promise<Copy[]> {
  const targets = new Map([['cinder', { listCopies: async () => copies }]])
  const act = listCopies({ targets } as unknown as Deps)
  return environment({ heartbeatTimeoutMs: 30_000 }).run(act, {
    volumeId: 'v',
    target: 'cinder',
    ...(point !== undefined && { point }),
  })
}

describe('listCopies', () => {
  it('tells everything that a volume’s workflow can hold', async () => {
    expect(await listed([copy(1, 'verified'), copy(2, 'damaged')])).toHaveLength(2)
  })

  it('finds one point among more than an answer holds', async () => {
    const copies = Array.from({ length: 6000 }, (_, day) => copy(day, 'unverified'))
    expect((await listed(copies, 'p3')).map(({ point }) => point)).toEqual(['p3'])
  })

  it('tells of thousands of copies the newest, and the last verified one, in an answer that Temporal accepts', async () => {
    const copies = Array.from({ length: 6000 }, (_, day) => copy(day, day < 7 ? 'verified' : 'unverified'))
    const answer = await listed(copies)
    const bytes = JSON.stringify(answer).length
    // more than the state holds, so that it is noted that older ones exist
    expect(bytes).toBeGreaterThan(200 * 1024)
    expect(bytes).toBeLessThan(300 * 1024)
    expect(answer[0]?.point).toBe('p5999')
    expect(answer.at(-1)?.point).toBe('p6')
  })
})
