import type { MockActivityEnvironment } from '@temporalio/testing'
import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Deps } from '../../activities/control-activities.js'
import { runPolicy } from '../../activities/run-policy.js'
import type { Policy } from '../../policy/policy.js'
import type { Hint } from '../../workflows/messages.js'
import type { PolicyRunReport } from '../../workflows/report-messages.js'
import { activityBench, environment, type ActivityBench } from './bench.js'
import { temporalOf } from './temporal-of.js'

let bench: ActivityBench
const gold: string[] = []
beforeAll(async () => {
  bench = await activityBench()
  for (let i = 0; i < 240; i += 1) {
    const { id } = await bench.tenant.createVolume({
      ...{ name: `v${i}`, sizeGib: 1, metadata: i % 2 === 0 ? { archive: 'gold' } : {} },
    })
    if (i % 2 === 0) gold.push(id)
  }
  await bench.sandbox.idle()
})
afterAll(async () => {
  await bench.end()
})

const policy = { name: 'gold', where: { metadata: { archive: 'gold' } }, every: '0 * * * *' } as unknown as Policy
const at = '2026-11-25T12:00:00Z'

function depsWith(told: (volumeId: string, hint: Hint) => void): Deps {
  return { ...bench.deps, policies: [policy], workflows: temporalOf({}, told) }
}

const run = async (deps: Deps, env: MockActivityEnvironment): Promise<PolicyRunReport> =>
  env.run(runPolicy(deps), { policy: 'gold', at })

/** As after a heartbeat of an attempt that was killed. */
const after = (details: unknown) => environment({ heartbeatTimeoutMs: 30_000, heartbeatDetails: details })

describe('runPolicy', () => {
  it('tells each volume of the policy, and no other, its nominal time', async () => {
    const told: [string, Hint][] = []
    const report = await run(
      depsWith((id, hint) => told.push([id, hint])),
      after(undefined),
    )
    expect(told.map(([id]) => id).sort()).toEqual([...gold].sort())
    expect(new Set(told.map(([, hint]) => JSON.stringify(hint)))).toEqual(
      new Set([JSON.stringify({ messageId: `gold@${at}`, event: 'policy.due', nominal: { policy: 'gold', at } })]),
    )
    expect(report).toEqual({ policy: 'gold', at, volumes: 240, told: 120, refused: 0, refusals: [] })
  })

  it('goes on where a killed attempt was, and leaves none out', async () => {
    const told: string[] = []
    let details: unknown
    const env = after(undefined)
    env.on('heartbeat', (given: unknown) => (details = given))
    const breaks = depsWith((id) => {
      if (told.length === 70) throw new Error('the worker dies')
      told.push(id)
    })
    await expect(run(breaks, env)).rejects.toThrow('the worker dies')
    const before = told.length
    const report = await run(
      depsWith((id) => told.push(id)),
      after(details),
    )
    expect([...new Set(told)].sort()).toEqual([...gold].sort())
    // not everything again: the first hundred volumes were noted
    expect(told.length - before).toBeLessThan(gold.length - 40)
    expect(report).toMatchObject({ volumes: 240, told: 120 })
  })

  it('looks at all again when the place it noted is no more', async () => {
    const told: string[] = []
    const state: PolicyRunReport = { policy: 'gold', at, volumes: 100, told: 50, refused: 0, refusals: [] }
    const deps = depsWith((id) => told.push(id))
    await run(deps, after({ phase: '', after: [randomUUID(), randomUUID()], state }))
    expect(told.sort()).toEqual([...gold].sort())
  })

  it('tells the others when Temporal refuses to tell one, and says which and why', async () => {
    const [first = ''] = gold
    const told: string[] = []
    const deps = depsWith((id) => {
      if (id === first) throw refusal('signal count exceeded the limit of 10000')
      told.push(id)
    })
    const report = await run(deps, after(undefined))
    expect(told.sort()).toEqual(gold.slice(1).sort())
    expect(report).toMatchObject({ told: 119, refused: 1, refusals: [{ volume: first }] })
    expect(report.refusals[0]?.reason).toContain('10000')
  })

  it('fails, to be tried again, when Temporal is away', async () => {
    const away = Object.assign(new Error('14 UNAVAILABLE'), { code: 14, details: 'no connection', metadata: {} })
    await expect(
      run(
        depsWith(() => {
          throw away
        }),
        after(undefined),
      ),
    ).rejects.toBe(away)
  })

  it('tells nobody while other policies are applied than its own', async () => {
    const deps = { ...depsWith(() => expect.fail('it told a volume')), appliedPolicyHash: async () => 'another' }
    await expect(run(deps, after(undefined))).rejects.toMatchObject({ code: 'CK-POLICY-DIFFERS' })
  })

  it('says so when its file has no such policy', async () => {
    const deps = { ...depsWith(() => undefined), policies: [] }
    await expect(run(deps, after(undefined))).rejects.toMatchObject({ code: 'CK-POLICY-UNKNOWN' })
  })
})

/** What gRPC makes of INVALID_ARGUMENT. */
function refusal(details: string): Error {
  return Object.assign(new Error(`3 INVALID_ARGUMENT: ${details}`), { code: 3, details, metadata: {} })
}
