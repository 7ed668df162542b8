import { DefaultLogger, Runtime, Worker } from '@temporalio/worker'
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { awaitArchive } from '../../activities/await-archive.js'
import { beginRebuild } from '../../activities/begin-rebuild.js'
import { joinServer } from '../../activities/join-server.js'
import type { ControlActivities } from '../../activities/control-activities.js'
import { endedArchives } from '../../activities/ended-archives.js'
import { findHolders } from '../../activities/find-holders.js'
import { requestPermit } from '../../activities/request-permit.js'
import { tellBrakes } from '../../activities/tell-brakes.js'
import { silentLog } from '../../log/log.js'
import type { Capture, Copy } from '../../targets/target.js'
import type { archiveVolume } from '../../workflows/archive-volume.js'
import type { ArchiveRequest, AssessRequest, Hint, Verdict } from '../../workflows/messages.js'
import type { VolumeState } from '../../workflows/volume-memory.js'
import { archiveWorkflowId, hintSignal, permitsWorkflowId, volumeWorkflowId } from '../../workflows/messages.js'
import type { watchVolume } from '../../workflows/watch-volume.js'
import { connectTemporal } from './temporal.js'

const codePath = fileURLToPath(new URL('../../dist/workflow-bundle.js', import.meta.url))

// what the SDK says of workers that start and stop is no business of a test's
Runtime.install({ logger: new DefaultLogger('ERROR'), shutdownSignals: [] })

/** The acts of one volume and its archives; those that look at all volumes have tests of their own. */
type VolumeActs = Omit<ControlActivities, 'runPolicy' | 'reconcile'>

/** Which act was done with what, in order. */
export interface Call {
  activity: keyof VolumeActs
  request: Record<string, unknown>
}

/**
 * Real workflows on a real server over acts that only remember: a cloud of one volume `db` and targets that keep
 * copies in a map. Each act can be replaced by a test; `calls` tells what was done.
 */
export async function workflowRig(options: { targets?: string[]; settleSeconds?: number } = {}) {
  const { targets = ['cinder'], settleSeconds = 0 } = options
  const temporal = await connectTemporal()
  const taskQueue = `test-${randomUUID()}`
  const volumeId = randomUUID()
  const calls: Call[] = []
  const stored = new Map<string, Copy[]>(targets.map((target) => [target, []]))
  const deps = {
    workflows: temporal.client.workflow,
    targets: new Map(targets.map((name) => [name, {}])),
    log: silentLog,
  } as never
  // the namespace is shared by all that this vitest worker runs
  const own = ` AND TaskQueue = '${taskQueue}'`

  const acts: VolumeActs = {
    assess: async (request) => verdictFor(request),
    beginRebuild: beginRebuild(deps),
    listCopies: async ({ target, point }) =>
      (stored.get(target) ?? []).filter((copy) => point === undefined || copy.point === point),
    // asked every half second here, once a minute in earnest
    awaitArchive: async (request) => {
      for (;;) {
        const end = await awaitArchive(deps)(request).catch((error: unknown) => error)
        if (!isStillRunning(end)) {
          if (end instanceof Error) throw end
          return end as never
        }
        await sleep(500)
      }
    },
    undoArchive: async () => ({}),
    captureByNova: async () => Promise.reject(new Error('no workflow here asks Nova')),
    releaseByNova: async () => undefined,
    requestPermit: requestPermit(deps, taskQueue),
    findHolders: findHolders(deps, own),
    endedArchives: endedArchives(deps),
    tellBrakes: tellBrakes(deps, own),
    planVerify: async ({ point, targets: only, copies }) => ({
      copies: (copies.length > 0 ? copies : [...stored.values()].flat().filter((copy) => copy.point === point))
        .filter(({ target }) => only?.includes(target) ?? true)
        .map((copy) => ({ copy, queue: taskQueue })),
      pace: { heartbeatSeconds: 5, firstRetrySeconds: 1, captureMaxAgeSeconds: 3600 },
    }),
    findMovers: async ({ targets: asked }) =>
      Object.fromEntries((asked ?? targets).map((name) => [name, { queue: null, heartbeatSeconds: 5 }])),
    findRoom: async () => [],
    prepareCapture: async () => ({ isTaken: false, isDetached: false, deferred: [] }),
    snapshotTogether: async ({ members }) => ({
      taken: members.map((member) => ({ volumeId: member.volumeId, snapshotId: `snap-${member.archiveId}` })),
      failed: [],
    }),
    planFreeze: async ({ volumeIds }) => ({
      servers: [],
      attached: volumeIds.map((one) => ({ volumeId: one, serverIds: [] })),
      limitSeconds: 2,
    }),
    locateServer: async () => null,
    joinServer: joinServer(deps, taskQueue),
    findMembers: async () => ({ members: [{ volumeId, name: 'db' }], leftOut: [], stale: [] }),
    callMembers: async () => undefined,
    hintServer: async () => undefined,
    takeCapture: async ({ archiveId, archive, slot, group, members, frozenSnapshotId }) => ({
      ...captureOf({ archiveId, archive, slot, group }),
      ...(members !== undefined && { members }),
      ...(frozenSnapshotId !== undefined && { snapshotId: frozenSnapshotId, consistency: 'frozen' as const }),
    }),
    releaseCapture: async () => undefined,
    removeTemporaries: async () => undefined,
    writeCopy: async ({ target, capture }) => copyOf(target, capture),
    verifyCopy: async () => ({ state: 'verified', rootHash: 'sha256-4m:aa', reason: null, readBytes: 4 }),
    markCopy: async ({ target, copy, mark }) => {
      const marked = { ...copy, ...mark }
      stored.set(target, [...(stored.get(target) ?? []).filter((one) => one.archiveId !== copy.archiveId), marked])
      return marked
    },
  }

  function verdictFor({ slot, attempt, targets: only, events, manual }: AssessRequest): Verdict {
    const volume = { id: volumeId, name: 'db', projectId: 'p', projectName: 'payments' }
    const plan = (only ?? targets).map((target) => ({
      ...{ target, kind: 'cinder-backup', force: false, writeQueue: taskQueue, verifyQueue: taskQueue },
    }))
    const due = manual || events.includes('volume.create.end')
    return {
      ...{
        kind: due ? 'archive' : 'none',
        reasons: [due ? 'it is due' : 'no event'],
        volume,
        policy: 'all',
        policyHash: 'h',
      },
      settleSeconds,
      rpoSeconds: null,
      nextAt: null,
      waitUntil: null,
      plan: due
        ? {
            archiveId: uuidOf(`${slot}/${attempt}`),
            consistency: { prefer: ['detached', 'crash'], require: 'crash' },
            targets: plan,
            pace: { heartbeatSeconds: 5, firstRetrySeconds: 1, captureMaxAgeSeconds: 3600 },
            permits: [],
          }
        : null,
    }
  }

  function captureOf(names: Pick<Capture, 'archiveId' | 'archive' | 'slot' | 'group'>): Capture {
    const capturedAt = new Date().toISOString()
    return {
      ...names,
      point: `${capturedAt.slice(0, 19)}Z-${names.archiveId.slice(0, 8)}`,
      volume: { volumeId, projectId: 'p', name: 'db' } as Capture['volume'],
      ...{ snapshotId: randomUUID(), snapshotName: `ck-${names.archiveId}`, capturedAt, consistency: 'detached' },
      ...{ watchers: 'none', sizeBytes: 2 ** 30 },
    }
  }

  const traced = Object.fromEntries(
    (Object.keys(acts) as (keyof VolumeActs)[]).map((activity) => [
      activity,
      async (request: Record<string, unknown>) => {
        calls.push({ activity, request })
        return (acts[activity] as (request: unknown) => Promise<unknown>)(request)
      },
    ]),
  )
  const worker = await Worker.create({
    connection: temporal.nativeConnection,
    namespace: temporal.namespace,
    taskQueue,
    activities: traced,
    workflowBundle: { codePath },
    shutdownForceTime: '2 seconds',
    // not among the documented options. After 5 s the SDK stops a workflow's code, which on a busy machine has only begun
    ...{ isolateExecutionTimeout: '1 minute' },
  })
  const running = worker.run()
  const entityId = volumeWorkflowId(volumeId)
  const entity = temporal.client.workflow.getHandle<typeof watchVolume>(entityId)

  return {
    ...{ acts, calls, stored, temporal, taskQueue, volumeId, entityId, entity, captureOf, verdictFor, log: silentLog },
    named: (activity: keyof VolumeActs) => calls.filter((call) => call.activity === activity),
    async hint(...hints: (Partial<Hint> | string)[]): Promise<void> {
      const full = hints.map((hint) =>
        typeof hint === 'string'
          ? { messageId: randomUUID(), event: hint }
          : { messageId: randomUUID(), event: 'volume.create.end', ...hint },
      )
      await temporal.client.workflow.signalWithStart<typeof watchVolume, [Hint[]]>('watchVolume', {
        ...{ workflowId: entityId, taskQueue, signal: hintSignal, signalArgs: [full] },
        args: [] as unknown as [VolumeState?],
      })
    },
    /** An archive as an entity would start it; returns its handle. */
    async archive(change: Partial<ArchiveRequest> = {}, volume: Partial<NonNullable<Verdict['volume']>> = {}) {
      const slot = `manual:${randomUUID()}`
      const verdict = verdictFor({
        ...{ slot, attempt: 1, targets: null, events: [], manual: true, volumeId, last: null },
      })
      const { plan, policy, policyHash } = verdict
      if (plan === null || verdict.volume === null) throw new Error('no plan')
      const request = {
        ...plan,
        ...{ volume: { ...verdict.volume, ...volume }, policy, policyHash, slot, attempt: 1 },
        ...{ capture: null, group: null, first: false, entity: null },
      }
      return temporal.client.workflow.start<typeof archiveVolume>('archiveVolume', {
        ...{ workflowId: archiveWorkflowId(volumeId, slot, 1), taskQueue, args: [{ ...request, ...change }] },
        memo: { permits: { project: request.volume.projectId, first: false, permits: change.permits ?? [] } },
      })
    },
    /** The seconds of all timers that the newest run of a workflow has started. */
    async timersOf(workflowId: string): Promise<number[]> {
      const { events } = await temporal.client.workflow.getHandle(workflowId).fetchHistory()
      const timers = events?.map((event) => event.timerStartedEventAttributes?.startToFireTimeout?.seconds)
      return (timers ?? []).filter((one) => one != null).map(Number)
    },
    /** Replays all runs of the volume's workflow, as a worker does that was restarted. @throws where one took other steps */
    async replay(): Promise<void> {
      for await (const { runId } of temporal.client.workflow.list({ query: `WorkflowId = '${entityId}'` })) {
        const history = await temporal.client.workflow.getHandle(entityId, runId).fetchHistory()
        // one that has not begun has nothing to replay, and would be waited for in vain
        if (history.events?.some((event) => event.workflowTaskCompletedEventAttributes))
          await Worker.runReplayHistory({ workflowBundle: { codePath } }, history, entityId)
      }
    },
    async close(): Promise<void> {
      // one for all tests: the next one starts its own
      await temporal.client.workflow
        .getHandle(permitsWorkflowId)
        .terminate()
        .catch(() => undefined)
      for await (const { workflowId, status } of temporal.client.workflow.list({
        query: `TaskQueue = '${taskQueue}'`,
      })) {
        if (status.name === 'RUNNING')
          await temporal.client.workflow
            .getHandle(workflowId)
            .terminate()
            .catch(() => undefined)
      }
      worker.shutdown()
      await running
      await temporal.close()
    },
  }
}

export type WorkflowRig = Awaited<ReturnType<typeof workflowRig>>

export function copyOf(target: string, capture: Capture): Copy {
  const { point, archiveId, archive, slot, group, snapshotId, capturedAt, consistency, sizeBytes, volume } = capture
  return {
    ...{ target, kind: 'cinder-backup', point, archiveId, archive, slot, group, snapshotId, capturedAt, consistency },
    ...{ volumeId: volume.volumeId, projectId: volume.projectId, sizeBytes, ref: { backupId: randomUUID() } },
    ...{
      state: 'unverified',
      rootHash: null,
      verifiedAt: null,
      writtenBytes: 1,
      storedBytes: 1,
      basePoint: null,
      reason: null,
    },
  }
}

function isStillRunning(end: unknown): boolean {
  return end instanceof Error && end.message.endsWith('still runs')
}

let counter = 0
const ids = new Map<string, string>()
function uuidOf(text: string): string {
  const known = ids.get(text) ?? `00000000-0000-5000-8000-${String(++counter).padStart(12, '0')}`
  ids.set(text, known)
  return known
}

/** Waits for something that a test expects to come true; the error says what it waited for. */
export async function eventually<T>(
  what: string,
  look: () => Promise<T | false> | T | false,
  seconds = 150,
): Promise<T> {
  const end = performance.now() + seconds * 1000
  for (;;) {
    const seen = await look()
    if (seen !== false) return seen
    if (performance.now() > end) throw new Error(`waited ${seconds} s in vain for: ${what}`)
    await sleep(100)
  }
}

/** A door that an act waits at until a test opens it. */
export function gate() {
  const door = { open: (): void => undefined }
  const opened = new Promise<void>((resolve) => {
    door.open = resolve
  })
  return {
    opened,
    open: () => {
      door.open()
    },
  }
}
