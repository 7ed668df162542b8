import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { reconcile, type ReconcileRequest } from '../../activities/reconcile.js'
import type { AppliedPolicies } from '../../policy/policy.js'
import type { Hint } from '../../workflows/messages.js'
import type { ReconcileReport } from '../../workflows/report-messages.js'
import { policy } from '../policy/volume-facts.js'
import { activityBench, environment, type ActivityBench } from './bench.js'
import { temporalOf, type FakeEntity } from './temporal-of.js'

let bench: ActivityBench
beforeAll(async () => {
  bench = await activityBench()
})
beforeEach(() => {
  bench.sandbox.state.volumes.clear()
})
afterAll(async () => {
  await bench.end()
})

const gold = policy('gold', { where: { metadata: { archive: 'gold' } } })
const applied: AppliedPolicies = { policyHash: 'h', policies: [gold], appliedAt: '2026-11-25T00:00:00Z' }
const request = { applied, at: '2026-11-25T12:00:00Z', run: 'r1' }
const isWatched = { policy: 'gold', protection: 'protected', verified: '2026-11-24T00:00:00Z', consistency: 'detached' }
const last = { capturedAt: isWatched.verified, consistency: 'detached' as const }

/** A volume that was made and last changed long ago. */
async function oldVolume(metadata: Record<string, string> = { archive: 'gold' }): Promise<string> {
  const id = await bench.newVolume(metadata)
  changed(id, '2026-11-20T00:00:00.000000')
  return id
}

function changed(id: string, at: string): void {
  const volume = bench.sandbox.state.volumes.get(id)
  if (volume === undefined) throw new Error('no such volume')
  volume.createdAt = '2026-11-20T00:00:00.000000'
  volume.updatedAt = at
}

async function compareWith(
  entities: Record<string, FakeEntity>,
  details?: unknown,
): Promise<{ report: ReconcileReport; told: [string, Hint][] }> {
  const told: [string, Hint][] = []
  const workflows = temporalOf(entities, (id, hint) => told.push([id, hint]))
  const env = environment({ heartbeatTimeoutMs: 30_000, heartbeatDetails: details })
  const report = await env.run<
    [ReconcileRequest],
    ReconcileReport,
    (one: ReconcileRequest) => Promise<ReconcileReport>
  >(reconcile({ ...bench.deps, workflows }), request)
  return { report, told }
}

describe('reconcile', () => {
  it('tells nobody anything when nothing was missed', async () => {
    const [known, , other] = [await oldVolume(), await oldVolume({}), await oldVolume({})]
    const { report, told } = await compareWith({
      [known]: { columns: isWatched, status: { last } },
      // copies of it exist, but no policy protects it
      [other]: { columns: { protection: 'protected', verified: isWatched.verified } },
    })
    expect(told).toEqual([])
    expect(report).toEqual({
      ...{ at: request.at, policyHash: 'h', volumes: 3, protected: 1, watched: 2, counts: {}, found: [] },
    })
  })

  it('names a volume that nobody watches, and tells its workflow to look', async () => {
    const id = await oldVolume()
    const { report, told } = await compareWith({})
    expect(told).toEqual([[id, { messageId: `reconcile@${request.at}/r1`, event: 'reconcile' }]])
    expect(report.counts).toEqual({ unwatched: 1 })
    expect(report.found).toEqual([
      {
        ...{ volume: id, name: 'db', project: 'payments', why: 'unwatched', untold: null },
        says: 'Policy gold protects it, but nobody watches it.',
      },
    ])
  })

  it('names a volume that was deleted, once, and none that only another attempt looked at', async () => {
    const [gone, known, forgotten] = [randomUUID(), await oldVolume(), randomUUID()]
    const entities = {
      [gone]: { columns: { ...isWatched, name: 'web' } },
      [known]: { columns: isWatched, status: { last } },
      [forgotten]: { columns: { protection: 'source-gone' } },
    }
    const { report, told } = await compareWith(entities)
    expect(told.map(([id]) => id)).toEqual([gone])
    expect(report.found).toMatchObject([{ volume: gone, name: 'web', why: 'gone' }])
    // the earlier attempt had looked at all volumes, and was killed before it asked who is gone
    const state = { ...report, counts: {}, found: [] }
    const again = await compareWith(entities, { phase: '', after: [known], state })
    expect(again.report.found.map(({ volume }) => volume)).toEqual([gone])
  })

  it('names a detach that nobody told, when the workflow itself knows of nothing to come', async () => {
    const id = await oldVolume()
    changed(id, '2026-11-24T12:00:00.000000')
    const missed = await compareWith({ [id]: { columns: isWatched, status: { last } } })
    expect(missed.report.counts).toEqual({ missed: 1 })
    expect(missed.told).toHaveLength(1)
    const wants = { cinder: {} } as unknown as Record<string, never>
    const comes = await compareWith({ [id]: { columns: isWatched, status: { last, wants } } })
    expect(comes).toMatchObject({ told: [], report: { counts: {} } })
    // it cannot be looked at, and sleeps: perhaps now it can
    const burst = { slot: 's', events: [], firstAt: 0, dueAt: Infinity, failures: 0, waitsForWindow: false }
    const waits = await compareWith({ [id]: { columns: isWatched, status: { last, burst } } })
    expect(waits.told).toEqual([])
    const sleeps = await compareWith({
      [id]: { columns: isWatched, status: { last, burst: { ...burst, failures: 5 } } },
    })
    expect(sleeps.told).toHaveLength(1)
    // a newer point that could not be read back has it already
    const newer = { ...last, capturedAt: '2026-11-24T12:01:00Z' }
    const unverified = await compareWith({ [id]: { columns: isWatched, status: { last: newer } } })
    expect(unverified).toMatchObject({ told: [], report: { counts: {} } })
  })

  it('tells a workflow that does not answer to look all the same', async () => {
    const id = await oldVolume()
    changed(id, '2026-11-24T12:00:00.000000')
    const { report, told } = await compareWith({ [id]: { columns: isWatched, status: null } })
    expect(report.found).toMatchObject([{ volume: id, why: 'silent' }])
    expect(report.found[0]?.says).toContain('no worker answers')
    expect(told.map(([one]) => one)).toEqual([id])
  })

  it('counts all that it finds, and names the first two hundred', async () => {
    for (let i = 0; i < 230; i += 1)
      await bench.tenant.createVolume({ name: `v${i}`, sizeGib: 1, metadata: { archive: 'gold' } })
    await bench.sandbox.idle()
    for (const id of bench.sandbox.state.volumes.keys()) changed(id, '2026-11-20T00:00:00.000000')
    const { report, told } = await compareWith({})
    expect(told).toHaveLength(230)
    expect(report).toMatchObject({ volumes: 230, counts: { unwatched: 230 } })
    expect(report.found).toHaveLength(200)
  })
})
