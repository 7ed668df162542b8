import { ApplicationFailure } from '@temporalio/common'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { AssessRequest, Verdict } from '../../workflows/messages.js'
import { archiveNowUpdate, pointsQuery, reconcileEvent, scheduleEvent, statusQuery } from '../../workflows/messages.js'
import { eventually, workflowRig, type WorkflowRig } from '../helpers/workflow-rig.js'

let rig: WorkflowRig
const status = () => rig.entity.query(statusQuery)
const points = () => rig.entity.query(pointsQuery)
const archives = () => rig.named('takeCapture').length
const column = async (name: string): Promise<unknown> => {
  const { typedSearchAttributes } = await rig.entity.describe()
  return typedSearchAttributes.getAll().find(({ key }) => key.name === name)?.value
}
const settled = async () =>
  eventually('the volume is at rest', async () => {
    const { archives, burst, rebuilding } = await status()
    return archives.length === 0 && burst === null && rebuilding?.length === 0
  })

/** What a policy's schedule tells a volume. */
const due = (at: string, policy = 'all') => ({
  ...{ messageId: `${policy}@${at}`, event: scheduleEvent, nominal: { policy, at } },
})
/** As a policy that archives on a schedule, too. */
function scheduled(change: Partial<Verdict> = {}) {
  return async (request: AssessRequest): Promise<Verdict> => {
    const isDue = request.events.some((event) => event === scheduleEvent || event === reconcileEvent)
    return { ...rig.verdictFor({ ...request, manual: request.manual || isDue }), ...change }
  }
}

afterEach(async () => {
  await rig.close()
})

describe('a schedule’s hints', () => {
  beforeEach(async () => {
    rig = await workflowRig({ settleSeconds: 3600 })
    rig.acts.assess = scheduled()
  })

  it('make an archive at once, named by its nominal time, and an older one told later makes none', async () => {
    await rig.hint(due('2026-01-02T00:00:00Z'))
    const [point] = await eventually('a point', async () => (await points()).length > 0 && points())
    expect(point?.slot).toBe('policy:all@2026-01-02T00:00:00Z')
    await settled()
    await rig.hint(due('2026-01-01T00:00:00Z'))
    await rig.hint({ ...due('2026-01-02T00:00:00Z'), messageId: 'the same, told again' })
    await rig.hint(due('2026-01-03T00:00:00Z'))
    await eventually('the next point', async () => (await points()).length === 2)
    await settled()
    expect(archives()).toBe(2)
    expect((await status()).lastNominal).toEqual({ all: '2026-01-03T00:00:00Z' })
  })

  it('of reconcile carry what is known of the last point, and whether a target has its first copy', async () => {
    await rig.hint({ event: reconcileEvent })
    const [point] = await eventually('a point', async () => (await points()).length > 0 && points())
    await settled()
    await rig.hint({ event: reconcileEvent })
    await eventually('the next point', async () => (await points()).length === 2)
    const lasts = rig.named('assess').map(({ request }) => request['last'])
    expect(lasts).toEqual([null, { capturedAt: point?.capturedAt, consistency: 'detached' }])
    const firsts: unknown[] = []
    for await (const { workflowId } of rig.temporal.client.workflow.list({
      query: `WorkflowId STARTS_WITH 'archive/${rig.volumeId}/'`,
    })) {
      const { events } = await rig.temporal.client.workflow.getHandle(workflowId).fetchHistory()
      const input = events?.[0]?.workflowExecutionStartedEventAttributes?.input?.payloads?.[0]?.data
      firsts.push((JSON.parse(Buffer.from(input ?? []).toString()) as { first: unknown }).first)
    }
    expect(firsts.sort()).toEqual([false, true])
  })
})

describe('a closed window', () => {
  it('is waited for without counting as a failure, and a deleted volume is noticed meanwhile', async () => {
    rig = await workflowRig()
    const waitUntil = new Date(Date.now() + 3_600_000).toISOString()
    rig.acts.assess = scheduled({ kind: 'wait', plan: null, waitUntil, reasons: ['The window is closed.'] })
    await rig.hint(due('2026-01-02T00:00:00Z'))
    const waiting = await eventually('it waits', async () => {
      const seen = await status()
      return seen.burst?.waitsForWindow === true && seen
    })
    expect(waiting).toMatchObject({ protection: null, burst: { failures: 0, dueAt: Date.parse(waitUntil) } })
    await eventually('the column due', async () => String(await column('due')) === String(new Date(waitUntil)))
    const verdict = await scheduled()(rig.named('assess')[0]?.request as unknown as AssessRequest)
    rig.acts.assess = async () => ({ ...verdict, kind: 'gone', volume: null, policy: null, plan: null })
    await rig.hint('volume.delete.end')
    await eventually('it is known to be gone', async () => (await status()).sourceGone)
  })

  it('ends when it opens: the archive is made then', async () => {
    rig = await workflowRig({ settleSeconds: 1 })
    const opens = Date.now() + 8000
    rig.acts.assess = async (request) => {
      const isClosed = Date.now() < opens
      const closed = { kind: 'wait', plan: null, waitUntil: new Date(opens).toISOString() } as const
      return { ...rig.verdictFor(request), ...(isClosed ? closed : {}) }
    }
    await rig.hint('volume.create.end')
    await eventually('it waits', async () => (await status()).burst?.waitsForWindow === true)
    const [point] = await eventually('a point', async () => (await points()).length > 0 && points())
    expect(Date.parse(point?.capturedAt ?? '')).toBeGreaterThanOrEqual(opens)
  })
})

describe('an archive that is put off', () => {
  const noRoom = async () => {
    throw ApplicationFailure.create({
      type: 'CK-DEFERRED',
      message: 'CK-DEFERRED  no room for a snapshot',
      nonRetryable: true,
    })
  }

  it('is wanted again, says why, and is no failure', async () => {
    rig = await workflowRig()
    rig.acts.takeCapture = noRoom
    await rig.hint('volume.create.end')
    const put = await eventually('it is wanted again', async () => {
      const seen = await status()
      return 'cinder' in seen.wants && seen
    })
    expect(put.protection).toBeNull()
    expect(put.wants['cinder']).toMatchObject({
      failures: 0,
      deferrals: 1,
      reason: 'CK-DEFERRED  no room for a snapshot',
    })
    const metadata = await rig.entity.query<{ currentDetails: string }>('__temporal_workflow_metadata')
    expect(metadata.currentDetails).toMatch(/cinder was put off, next try after \S+Z: CK-DEFERRED no room/)
  })

  it('comes by itself also when a person asked for it', async () => {
    rig = await workflowRig()
    await rig.hint('volume.update.end')
    await eventually('it is known', async () => (await status()).lastReasons.length > 0)
    rig.acts.takeCapture = noRoom
    await rig.entity.executeUpdate(archiveNowUpdate, { args: [{ id: 'asked', targets: null }] })
    await eventually('it is wanted again', async () => 'cinder' in (await status()).wants)
    const { wants } = await status()
    expect(wants['cinder']).toMatchObject({ slot: 'manual:asked', deferrals: 1 })
  })
})

describe('a volume whose last verified point grows old', () => {
  it('is overdue, in its column too, without anything happening to it, until there is a newer point', async () => {
    rig = await workflowRig()
    rig.acts.assess = scheduled({ rpoSeconds: 6, nextAt: '2030-01-01T00:00:00Z' })
    await rig.hint('volume.create.end')
    await eventually('it is protected', async () => (await column('protection')) === 'protected')
    expect(String(await column('due'))).toBe(String(new Date('2030-01-01T00:00:00Z')))
    await eventually('it is overdue', async () => (await column('protection')) === 'overdue')
    await rig.hint('volume.create.end')
    await eventually('it is protected again', async () => (await column('protection')) === 'protected')
  })

  it('is overdue when none was ever made in the time that the policy gives it', async () => {
    rig = await workflowRig()
    rig.acts.assess = scheduled({ rpoSeconds: 2 })
    await rig.hint('volume.update.end')
    await eventually('it is overdue', async () => (await column('protection')) === 'overdue')
    expect((await status()).protectedSince).not.toBeNull()
  })
})
