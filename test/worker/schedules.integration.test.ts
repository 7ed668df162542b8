import { Client, Connection } from '@temporalio/client'
import { msToTs } from '@temporalio/common/lib/time.js'
import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Config } from '../../config/config.js'
import { silentLog } from '../../log/log.js'
import { lastNominal, nextNominal } from '../../policy/due.js'
import { policyHash } from '../../policy/policy-hash.js'
import type { Policy } from '../../policy/policy.js'
import { offsetAt } from '../../policy/zone.js'
import { createNamespace, removeNamespace } from '../../setup/temporal-namespace.js'
import { readAppliedPolicies, rememberedHash } from '../../worker/applied-policies.js'
import { keepApplied } from '../../worker/keep-applied.js'
import { apply, applyFirst, changesNothing, planApply } from '../../worker/schedules.js'
import { eventually } from '../helpers/workflow-rig.js'
import { policy } from '../policy/volume-facts.js'

const address = process.env['TEMPORAL_ADDRESS'] ?? ''
let connection: Connection
let client: Client
const namespaces: string[] = []

beforeAll(async () => {
  connection = await Connection.connect({ address })
})
beforeEach(async () => {
  const namespace = `ck-schedules-${randomUUID()}`
  await createNamespace(address, namespace)
  namespaces.push(namespace)
  client = new Client({ connection, namespace })
  await eventually('the namespace', async () =>
    connection.operatorService.listSearchAttributes({ namespace }).then(
      () => true,
      () => false as const,
    ),
  )
})
afterAll(async () => {
  await connection.close()
  for (const namespace of namespaces) await removeNamespace(address, namespace)
})

const six = policy('six', { every: '0 */6 * * *', timezone: 'Europe/Zurich' })
const file = (...policies: Policy[]) => ({ policies, reconcileSeconds: 900 })
const describeOf = async (id: string) => client.schedule.getHandle(id).describe()

async function applyAll(wanted: ReturnType<typeof file>) {
  const plan = await planApply(client, wanted)
  await apply(client, wanted, plan)
  return plan
}

describe('applying policies', () => {
  it('makes a schedule for each policy that has `every`, and publishes the document', async () => {
    const wanted = file(six, policy('events only'))
    const plan = await applyAll(wanted)
    expect(plan).toMatchObject({ before: null, publishes: true, paused: [] })
    expect(plan.policies.map(({ policy, kind }) => [policy, kind])).toEqual([
      ['six', 'added'],
      ['events only', 'added'],
    ])
    expect(plan.schedules).toEqual([
      { schedule: 'policy/six', kind: 'created', changes: ['every "0 */6 * * *" Europe/Zurich'] },
      { schedule: 'reconcile', kind: 'created', changes: ['every 15m'] },
    ])
    const { action, policies, spec, state } = await describeOf('policy/six')
    expect(action).toMatchObject({
      ...{ workflowType: 'runPolicy', workflowId: 'policy/six', taskQueue: 'control', args: [{ policy: 'six' }] },
    })
    expect(policies).toMatchObject({ overlap: 'SKIP', catchupWindow: 3_600_000 })
    expect(spec).toMatchObject({ timezone: 'Europe/Zurich', jitter: 60_000 })
    expect(state.note).toContain('policies.six of cinderkeep.yaml: every "0 */6 * * *" Europe/Zurich')
    expect(await readAppliedPolicies(client)).toMatchObject({
      policyHash: policyHash(wanted.policies),
      policies: wanted.policies,
    })
    expect(changesNothing(await planApply(client, wanted))).toBe(true)
  })

  it('changes and deletes what the file no longer says, and leaves alone what is not ours', async () => {
    await applyAll(file(six, policy('daily', { every: '0 1 * * *' }), policy('old', { every: '0 2 * * *' })))
    await client.schedule.create({
      scheduleId: 'policy/theirs',
      spec: { intervals: [{ every: '1 day' }] },
      action: { type: 'startWorkflow', workflowType: 'another', taskQueue: 'theirs' },
    })
    const kept = policy('old', { every: null })
    const plan = await applyAll(file({ ...six, every: '0 */4 * * *' }, policy('daily', { every: '0 1 * * *' }), kept))
    expect(plan.policies).toMatchObject([
      { policy: 'six', kind: 'changed', changes: ['every: "0 */6 * * *" → "0 */4 * * *"'] },
      { policy: 'old', kind: 'changed' },
    ])
    expect(plan.schedules).toEqual([
      {
        schedule: 'policy/six',
        kind: 'changed',
        changes: ['every "0 */6 * * *" Europe/Zurich → every "0 */4 * * *" Europe/Zurich'],
      },
      { schedule: 'policy/old', kind: 'deleted', changes: [] },
    ])
    expect((await describeOf('policy/theirs')).action.workflowType).toBe('another')
    await expect(describeOf('policy/old')).rejects.toThrow()
    expect((await describeOf('policy/six')).spec.calendars?.[0]?.hour).toEqual([{ start: 0, end: 23, step: 4 }])
  })

  it('mends what somebody changed or deleted by hand, also when nobody applied it', async () => {
    const wanted = file(six, policy('gone', { every: '30 3 1 * *' }))
    await applyAll(wanted)
    await client.schedule.getHandle('policy/gone').delete()
    await client.schedule.getHandle('policy/six').update(({ action, ...rest }) => ({
      ...{ ...rest, action, spec: { calendars: [{ hour: 5 }], timezone: 'UTC' } },
      policies: { overlap: 'ALLOW_ALL', catchupWindow: 60_000 },
    }))
    const stray = policy('stray', { every: '0 0 * * *' })
    await applyFirst(client, file(six, stray))
    await eventually('the list', async () => {
      const { schedules } = await planApply(client, wanted)
      return schedules.some(({ schedule }) => schedule === 'policy/stray')
    })
    const { schedules } = await applyAll(wanted)
    expect(schedules.map(({ schedule, kind }) => [schedule, kind])).toEqual([
      ['policy/gone', 'created'],
      ['policy/stray', 'deleted'],
    ])
    expect(changesNothing(await planApply(client, wanted))).toBe(true)
  })

  it('names what is different about a schedule that somebody changed', async () => {
    await applyAll(file(six))
    await client.schedule.getHandle('policy/six').update((found) => ({
      ...{ ...found, spec: { ...found.spec, calendars: [{ hour: 5 }] } },
      policies: { overlap: 'ALLOW_ALL', catchupWindow: 60_000 },
    }))
    const { schedules, publishes } = await planApply(client, file(six))
    expect(publishes).toBe(false)
    expect(schedules[0]?.changes.slice(1)).toEqual(['overlap: ALLOW_ALL → SKIP', 'catchup window'])
    await applyAll(file(six))
    expect(changesNothing(await planApply(client, file(six)))).toBe(true)
  })

  it('leaves paused what a person paused, with the reason', async () => {
    await applyAll(file(six))
    await client.schedule.getHandle('policy/six').pause('the storage is being moved')
    const plan = await applyAll(file({ ...six, every: '0 5 * * *' }))
    expect(plan.paused).toEqual(['policy/six'])
    const { state, spec } = await describeOf('policy/six')
    expect(state).toMatchObject({ paused: true, note: 'the storage is being moved' })
    expect(spec.calendars?.[0]?.hour).toMatchObject([{ start: 5 }])
  })

  it("refuses an id that somebody else's schedule has, before anything is changed", async () => {
    await client.schedule.create({
      scheduleId: 'policy/six',
      spec: { intervals: [{ every: '1 day' }] },
      action: { type: 'startWorkflow', workflowType: 'another', taskQueue: 'theirs' },
    })
    await expect(planApply(client, file(policy('first', { every: '0 0 * * *' }), six))).rejects.toMatchObject({
      code: 'CK-SCHEDULE-FOREIGN',
    })
    expect(await readAppliedPolicies(client)).toBeNull()
  })

  it('publishes nothing when Temporal does not take a schedule', async () => {
    const wanted = file({ ...six, timezone: 'Mars/Olympus' })
    const plan = await planApply(client, wanted)
    await expect(apply(client, wanted, plan)).rejects.toMatchObject({ code: 'CK-SCHEDULE-REFUSED' })
    expect(await readAppliedPolicies(client)).toBeNull()
  })
})

describe('a control worker', () => {
  const keep = (policies: Policy[], log = silentLog) => {
    const end = new AbortController()
    const config = { path: 'cinderkeep.yaml', ...file(...policies) } as Config
    const kept = keepApplied({ client, connection, config, log }, end.signal, 200)
    return async () => {
      end.abort()
      await kept
    }
  }

  it('applies its own policies where none were, again when Temporal forgot them, and never over others', async () => {
    const own = policyHash([six])
    const applied = async () => (await readAppliedPolicies(client))?.policyHash ?? null
    const end = keep([six])
    await eventually('its policies', async () => (await applied()) === own)
    expect((await describeOf('policy/six')).action.workflowType).toBe('runPolicy')
    await client.schedule.getHandle('reconcile').delete()
    await client.schedule.getHandle('policy/six').delete()
    await eventually('its policies again', async () => (await applied()) === own)
    await applyAll(file(policy('another')))
    await new Promise((done) => setTimeout(done, 600))
    expect(await applied()).toBe(policyHash([policy('another')]))
    await end()
  })

  it('is the only one of two that begin at once, and the other one says that it decides nothing', async () => {
    const told: unknown[] = []
    const log = { ...silentLog, error: (fields: unknown) => told.push(fields) } as unknown as typeof silentLog
    const ends = [keep([six], log), keep([policy('another')], log)]
    await eventually('the complaint', () => told.length > 0)
    expect(told).toMatchObject([{ code: 'CK-POLICY-DIFFERS' }])
    for (const end of ends) await end()
  })

  it('learns within seconds which policies are applied, and asks for many volumes once', async () => {
    let now = 0
    let asked = 0
    const schedule = new Proxy(client.schedule, {
      get(target, key, receiver) {
        if (key === 'getHandle') asked += 1
        return Reflect.get(target, key, receiver) as unknown
      },
    })
    const hash = rememberedHash({ schedule }, () => now)
    expect(await Promise.all([hash(), hash(), hash()])).toEqual([null, null, null])
    await applyAll(file(six))
    expect(await hash()).toBeNull()
    expect(asked).toBe(1)
    now = 5_001
    expect(await hash()).toBe(policyHash([six]))
  })
})

describe('nominal times', () => {
  it("are those of Temporal's own schedules, but for the hour that a clock put back shows twice", async () => {
    const cases: [string, string][] = [
      ['30 2 * * *', 'Europe/Zurich'],
      ['0,30 1-3 * * SUN', 'America/New_York'],
      ['0 */6 * * *', 'Europe/Zurich'],
      ['15 0 * * *', 'America/Havana'],
      ['20/25 22-23,0 * * 5-7', 'Asia/Kolkata'],
      ['5 4 1,15 3/2 *', 'UTC'],
      ['0 0 29 2 *', 'Europe/Zurich'],
    ]
    for (const [index, [every, timezone]] of cases.entries()) {
      await applyAll(file(policy(`case${index}`, { every, timezone })))
      const from = Date.parse('2027-03-10T00:00:00Z')
      const until = Date.parse(every.includes('29 2') ? '2033-01-01T00:00:00Z' : '2027-11-10T00:00:00Z')
      const { startTime } = await connection.workflowService.listScheduleMatchingTimes({
        ...{ namespace: client.options.namespace, scheduleId: `policy/case${index}` },
        startTime: msToTs(from),
        endTime: msToTs(until),
      })
      // with their jitter, which is less than a minute
      const theirs = startTime.map(({ seconds }) => Math.floor(Number(seconds) / 60) * 60_000)
      // in which the server takes some times once and some twice, and not always the right ones
      const isPlain = (at: number) => offsetAt(timezone, at - 7_200_000) <= offsetAt(timezone, at + 7_200_000)
      const written = (times: number[]) => times.filter(isPlain).map((at) => new Date(at).toISOString())
      const forwards: number[] = []
      for (let at = from - 1; ;) {
        const next = nextNominal({ every, timezone }, at)
        if (next === null || next > until) break
        forwards.push((at = next))
      }
      const backwards: number[] = []
      for (let at = until; ;) {
        const last = lastNominal({ every, timezone }, at)
        if (last === null || last < from) break
        backwards.unshift(last)
        at = last - 1
      }
      expect(written(theirs).length).toBeGreaterThan(1)
      expect([every, timezone, written(forwards)]).toEqual([every, timezone, written(theirs)])
      expect(backwards).toEqual(forwards)
    }
  })
})
