import { Worker } from '@temporalio/worker'
import { randomUUID } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import type { Deps } from '../../activities/control-activities.js'
import { reconcile } from '../../activities/reconcile.js'
import { runPolicy } from '../../activities/run-policy.js'
import { silentLog } from '../../log/log.js'
import type { Volume } from '../../openstack/cinder.js'
import type { Hint } from '../../workflows/messages.js'
import type { PolicyRunReport, ReconcileReport } from '../../workflows/report-messages.js'
import { temporalOf } from '../activities/temporal-of.js'
import { connectTemporal, type TestTemporal } from '../helpers/temporal.js'
import { eventually } from '../helpers/workflow-rig.js'
import { policy } from '../policy/volume-facts.js'

const codePath = fileURLToPath(new URL('../../dist/workflow-bundle.js', import.meta.url))
const taskQueue = `test-${randomUUID()}`
const volumes = Array.from({ length: 250 }, (_, at) => {
  const id = `00000000-0000-4000-8000-${String(at).padStart(12, '0')}`
  const facts = { id, name: `v${at}`, projectId: 'p', status: 'available', sizeGib: 1, metadata: {}, attachments: [] }
  return { ...facts, createdAt: '2026-01-01T00:00:00Z', updatedAt: null, migrationStatus: null } as unknown as Volume
})

let temporal: TestTemporal
let running: Promise<void>
let worker: Worker
/** What the acts did, in this test. */
let told: [string, Hint][] = []
let listedAfter: string[][] = []
/** Called before a volume is told. */
let tell: () => void = () => undefined

beforeAll(async () => {
  temporal = await connectTemporal()
  const all = policy('all', { every: '0 * * * *' })
  const deps = {
    ...{ policies: [all], policyHash: 'h', installation: randomUUID(), internalProjectId: null, log: silentLog },
    ...{ projectName: async () => 'payments', appliedPolicyHash: async () => 'h' },
    cinder: {
      async *listVolumes({ after = [] }: { after?: string[] }) {
        listedAfter.push(after)
        const from = volumes.findIndex(({ id }) => id === after.at(-1)) + 1
        for (const volume of volumes.slice(from)) yield Promise.resolve(volume)
      },
    },
    workflows: temporalOf({}, (id, hint) => {
      tell()
      told.push([id, hint])
    }),
  } as unknown as Deps
  worker = await Worker.create({
    ...{ connection: temporal.nativeConnection, namespace: temporal.namespace, taskQueue },
    ...{ workflowBundle: { codePath }, activities: { runPolicy: runPolicy(deps), reconcile: reconcile(deps) } },
  })
  running = worker.run()
})
beforeEach(() => {
  told = []
  listedAfter = []
  tell = () => undefined
})
afterAll(async () => {
  worker.shutdown()
  await running
  await temporal.close()
})

async function details(workflowId: string): Promise<string> {
  const handle = temporal.client.workflow.getHandle(workflowId)
  return (await handle.query<{ currentDetails: string }>('__temporal_workflow_metadata')).currentDetails
}

it('tells the nominal time that the schedule wanted, and says in the UI whom it told', async () => {
  const scheduleId = `policy/${randomUUID()}`
  const schedule = await temporal.client.schedule.create({
    ...{ scheduleId, spec: {}, state: { triggerImmediately: true } },
    action: {
      ...{ type: 'startWorkflow', workflowType: 'runPolicy', workflowId: scheduleId, taskQueue },
      args: [{ policy: 'all' }],
    },
  })
  const started = await eventually('the run', async () => {
    const { info } = await schedule.describe()
    const action = info.recentActions[0]?.action
    return action === undefined ? false : action.workflow.workflowId
  })
  await schedule.delete()
  const run = temporal.client.workflow.getHandle(started)
  const report = (await run.result()) as PolicyRunReport
  // the server appends the nominal time to the id
  const nominal = `${new Date(started.slice(scheduleId.length + 1)).toISOString().slice(0, 19)}Z`
  expect(report).toEqual({ policy: 'all', at: nominal, volumes: 250, told: 250, refused: 0, refusals: [] })
  expect(told[0]?.[1]).toEqual({
    ...{ messageId: `all@${nominal}`, event: 'policy.due', nominal: { policy: 'all', at: nominal } },
  })
  expect(await details(started)).toContain('**250** of 250 volumes were told')
})

it('goes on where it was when a try fails, on a real server', async () => {
  tell = () => {
    if (told.length < 120) return
    tell = () => undefined
    throw new Error('Temporal is away')
  }
  const report = await temporal.client.workflow.execute<(given: { policy: string }) => Promise<PolicyRunReport>>(
    'runPolicy',
    {
      ...{ workflowId: `policy/all-${randomUUID()}`, taskQueue, args: [{ policy: 'all' }] },
    },
  )
  expect(report).toMatchObject({ volumes: 250, told: 250 })
  expect(new Set(told.map(([id]) => id)).size).toBe(250)
  expect(listedAfter.map((after) => after.at(-1))).toEqual([undefined, volumes[99]?.id])
})

it('shows in the UI what reconcile found, and has the rest in its result', async () => {
  const workflowId = `reconcile/${randomUUID()}`
  const applied = { policyHash: 'h', policies: [policy('all')], appliedAt: '2026-01-01T00:00:00Z' }
  const report = await temporal.client.workflow.execute<(given: typeof applied) => Promise<ReconcileReport>>(
    'reconcile',
    {
      ...{ workflowId, taskQueue, args: [applied] },
    },
  )
  expect(report).toMatchObject({ volumes: 250, protected: 250, counts: { unwatched: 250 } })
  expect(report.found).toHaveLength(200)
  const shown = await details(workflowId)
  expect(shown).toContain('250 found')
  expect(shown).toContain('**250** protected by a policy, but watched by nobody')
  expect(shown).toContain(`- v0 \`${volumes[0]?.id ?? ''}\` (payments): Policy all protects it, but nobody watches it.`)
  expect(shown).toContain('- and 200 more')
})
