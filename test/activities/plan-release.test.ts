import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { archiveOfSnapshot, rbdCaptureName, readRecords, recordKey } from '../../activities/capture-record.js'
import type { CaptureRecord } from '../../activities/capture-record.js'
import { planRelease, type Held } from '../../activities/plan-release.js'

const now = Date.parse('2026-11-25T12:00:00Z')
const known = new Set(['a', 'b'])
const hour = 3_600_000

function held(archiveId: string, id: number | null, change: Partial<CaptureRecord> | null = {}): Held {
  const record: CaptureRecord = {
    ...{ installation: 'i', archive: archiveId, volume: 'v', purpose: 'capture', bases: [], before: 'detached' },
    expires: new Date(now + hour).toISOString(),
    at: new Date(now - hour).toISOString(),
    ...change,
  }
  const snapshot = id === null ? null : { id, name: `backup.${archiveId}.snap.1` }
  return { archiveId, record: change === null ? null : record, snapshot }
}
const base = (archiveId: string, id: number | null, ...bases: string[]) =>
  held(archiveId, id, { purpose: 'base', bases })

function release(all: Held[], verified: string[] = [], own = 'own') {
  const plan = planRelease(all, { archiveId: own, verified }, known, now)
  return {
    write: plan.write.map(({ archive, purpose, bases }) => [archive, purpose, bases]),
    remove: plan.remove.map(({ archiveId }) => archiveId),
  }
}

describe('planRelease', () => {
  it('removes a capture that is nobody’s base', () => {
    expect(release([held('own', 1)])).toEqual({ write: [], remove: ['own'] })
  })

  it('makes a verified capture the base before the older one goes', () => {
    expect(release([base('old', 1, 'a'), held('own', 2)], ['a'])).toEqual({
      write: [['own', 'base', ['a']]],
      remove: ['old'],
    })
  })

  it('leaves the older one the targets that have no newer copy', () => {
    const plan = release([base('old', 1, 'a', 'b'), held('own', 2)], ['b'])
    expect(plan).toEqual({
      write: [
        ['own', 'base', ['b']],
        ['old', 'base', ['a']],
      ],
      remove: [],
    })
  })

  it('takes no base from a newer capture that was verified first', () => {
    expect(release([held('own', 1), base('newer', 2, 'a')], ['a'])).toEqual({ write: [], remove: ['own'] })
  })

  it('touches no capture of another archive that runs, and no base that this one may read from', () => {
    const plan = release([base('old', 1, 'a'), held('own', 2), held('other', 3)], ['a'])
    expect(plan).toEqual({
      write: [
        ['own', 'base', ['a']],
        ['old', 'base', []],
      ],
      remove: [],
    })
    expect(release([base('old', 1), base('own', 2, 'a'), held('other', 3)], [], 'other').remove).toEqual([
      'other',
      'old',
    ])
  })

  it('removes a capture that nobody released, some time after its expiry', () => {
    const late = { expires: new Date(now - 2 * hour).toISOString() }
    expect(release([held('lost', 1, late), held('own', 2)]).remove).toEqual(['own', 'lost'])
    const lately = { expires: new Date(now - hour / 2).toISOString() }
    expect(release([held('lost', 1, lately), held('own', 2)]).remove).toEqual(['own'])
  })

  it('removes a snapshot without a record only when it is the archive’s own, by its name', () => {
    expect(release([held('other', 1, null), held('own', 2, null)], ['a'])).toEqual({ write: [], remove: ['own'] })
  })

  it('removes a record whose snapshot is gone, also when a copy of it was verified', () => {
    expect(release([held('own', null), base('old', null, 'a')], ['a'])).toEqual({ write: [], remove: ['own', 'old'] })
  })

  it('takes a base away from a target that is configured no more', () => {
    expect(release([base('old', 1, 'gone'), held('own', 2)]).remove).toEqual(['own', 'old'])
  })

  it('keeps what an earlier attempt made a base, also when it is not told again', () => {
    expect(release([base('own', 1, 'a')])).toEqual({ write: [], remove: [] })
  })

  it('after any archives, in any order, leaves one base a target: the newest verified capture', () => {
    const archive = fc.record({ verified: fc.subarray(['a', 'b']), crashed: fc.boolean() })
    fc.assert(
      fc.property(fc.array(archive, { minLength: 1, maxLength: 8 }), fc.infiniteStream(fc.nat()), (archives, order) => {
        // all run at the same time, so none can be read from another's base after the last one
        let image = archives.map((_one, i) => held(`own${i}`, i + 1))
        const waiting = archives.map((one, i) => ({ ...one, id: `own${i}` }))
        while (waiting.length > 0) {
          const [one] = waiting.splice((order.next().value as number) % waiting.length, 1)
          if (one === undefined) break
          // once more, after a crash in the middle of it: only some of what was planned had been done
          for (const part of one.crashed ? [0.5, 1] : [1]) image = done(image, one, part)
        }
        for (const target of known) {
          const newest = archives.findLastIndex(({ verified }) => verified.includes(target))
          const bases = image.filter(({ record }) => record?.bases.includes(target))
          expect(bases.map(({ archiveId }) => archiveId)).toEqual(newest === -1 ? [] : [`own${newest}`])
        }
        expect(image.every(({ record }) => (record?.bases.length ?? 0) > 0)).toBe(true)
      }),
    )
  })
})

function done(image: Held[], own: { id: string; verified: string[] }, part: number): Held[] {
  const { write, remove } = planRelease(image, { archiveId: own.id, verified: own.verified }, known, now)
  const steps = [
    ...write.map(
      (record) => (all: Held[]) => all.map((one) => (one.archiveId === record.archive ? { ...one, record } : one)),
    ),
    ...remove.flatMap(({ archiveId }) => [
      (all: Held[]) => all.map((one) => (one.archiveId === archiveId ? { ...one, snapshot: null } : one)),
      (all: Held[]) => all.filter((one) => one.archiveId !== archiveId),
    ]),
  ]
  return steps.slice(0, Math.ceil(steps.length * part)).reduce((all, step) => step(all), image)
}

describe('records', () => {
  const archive = '3f0c8a52-0000-5000-8000-000000000001'
  const record = held(archive, 1).record
  const ours = { installation: 'i', volumeId: 'v' }

  it('are read back as they were written, and the snapshot’s name leads to them', () => {
    expect(readRecords(new Map([[recordKey(archive), JSON.stringify(record)]]), ours)).toEqual([record])
    expect(archiveOfSnapshot(rbdCaptureName(archive, 1764090000))).toBe(archive)
  })

  it.each([
    ['of another installation', recordKey(archive), JSON.stringify({ ...record, installation: 'j' })],
    ['that a clone took along', recordKey(archive), JSON.stringify({ ...record, volume: 'w' })],
    ['under another archive’s key', recordKey('x'), JSON.stringify(record)],
    ['that are damaged', recordKey(archive), '{"installation":"i"'],
    ['of others', 'conf_rbd_qos_iops_limit', '7'],
  ])('%s are not ours', (_what, key, text) => {
    expect(readRecords(new Map([[key, text]]), ours)).toEqual([])
  })

  it.each(['backup.x.snap.1', 'snapshot-3f0c8a52-0000-5000-8000-000000000001', `backup.${archive}.snap.1.5`, 'a'])(
    'do not belong to the snapshot %s',
    (name) => {
      expect(archiveOfSnapshot(name)).toBeNull()
    },
  )
})
