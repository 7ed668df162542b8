import { WorkflowFailedError } from '@temporalio/client'
import { activityInfo, cancellationSignal, heartbeat } from '@temporalio/activity'
import { ApplicationFailure } from '@temporalio/common'
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, expect, it } from 'vitest'
import type { ArchiveOutcome } from '../../workflows/messages.js'
import { archiveFailedType, pointsQuery, statusQuery } from '../../workflows/messages.js'
import { copyOf, eventually, gate, workflowRig, type WorkflowRig } from '../helpers/workflow-rig.js'

let rig: WorkflowRig
beforeEach(async () => {
  rig = await workflowRig({ targets: ['one', 'two'] })
})
afterEach(async () => {
  await rig.close()
})

const order = () => rig.calls.map(({ activity }) => activity)

/** How an archive failed: its message and the outcome that it carries all the same. */
async function failureOf(result: Promise<unknown>): Promise<{ message: string; outcome: ArchiveOutcome }> {
  const error: unknown = await result.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  if (!(error instanceof WorkflowFailedError) || !(error.cause instanceof ApplicationFailure)) throw error as Error
  expect(error.cause.type).toBe(archiveFailedType)
  return { message: error.cause.message, outcome: error.cause.details?.[0] as ArchiveOutcome }
}

it('captures once, writes and reads back on every target, and releases last', async () => {
  const archive = await rig.archive()
  const { targets, capture } = await archive.result()
  expect(targets).toMatchObject([
    { target: 'one', copy: { state: 'verified' }, failure: null },
    { target: 'two', copy: { state: 'verified' }, failure: null },
  ])
  expect(capture?.snapshotName).toBe(`ck-${capture?.archiveId ?? ''}`)
  expect(order()[0]).toBe('takeCapture')
  expect(order().at(-1)).toBe('releaseCapture')
  expect(order().filter((activity) => activity === 'removeTemporaries')).toHaveLength(2)
  expect(rig.named('takeCapture')).toHaveLength(1)
})

it('archives a capture that was handed over with its group, and takes none of its own', async () => {
  const names = { archiveId: randomUUID(), archive: 'archive/x', slot: 'manual:x', group: 'server/1' }
  const capture = rig.captureOf(names)
  const archive = await rig.archive({ capture, group: 'server/1', archiveId: names.archiveId })
  const { targets } = await archive.result()
  expect(rig.named('takeCapture')).toHaveLength(0)
  expect(targets[0]?.copy).toMatchObject({ group: 'server/1', snapshotId: capture.snapshotId })
  expect(rig.named('releaseCapture')[0]?.request['snapshotId']).toBe(capture.snapshotId)
})

it('releases by name when the capture failed, and says why nothing was archived', async () => {
  rig.acts.takeCapture = async () => {
    throw ApplicationFailure.create({
      type: 'CK-CONSISTENCY-FLOOR',
      message: 'CK-CONSISTENCY-FLOOR  attached',
      nonRetryable: true,
    })
  }
  const archive = await rig.archive()
  const { message, outcome } = await failureOf(archive.result())
  expect(message).toContain('two: CK-CONSISTENCY-FLOOR  attached')
  expect(outcome.capture).toBeNull()
  expect(rig.named('releaseCapture')).toMatchObject([{ request: { archiveId: outcome.archiveId, snapshotId: null } }])
})

it('waits for a snapshot that an earlier attempt may have asked for, although the last one failed plainly', async () => {
  rig.acts.takeCapture = async () => {
    throw ApplicationFailure.create({ type: 'CK-VOLUME-GONE', nonRetryable: true, details: [{ attempt: 2 }] })
  }
  const archive = await rig.archive()
  await eventually('it waits', async () => (await rig.timersOf(archive.workflowId)).includes(120))
  expect(rig.named('releaseCapture')).toHaveLength(0)
})

it('releases its capture although a target is down, and then clears that target away', async () => {
  let down = true
  rig.acts.removeTemporaries = async ({ target }) => {
    if (down && target === 'one') throw ApplicationFailure.create({ type: 'CK-CLOUD-UNAVAILABLE', message: 'down' })
  }
  const pace = { heartbeatSeconds: 5, firstRetrySeconds: 1, captureMaxAgeSeconds: 10 }
  const archive = await rig.archive({ pace })
  await eventually('it is released', () => rig.named('releaseCapture').length === 1)
  const before = rig.named('removeTemporaries').length
  down = false
  const { targets } = await archive.result()
  expect(targets).toMatchObject([{ failure: null }, { failure: null }])
  expect(rig.named('removeTemporaries').slice(before)).toMatchObject([{ request: { target: 'one' } }])
})

it('lets one target fail alone', async () => {
  const { writeCopy } = rig.acts
  rig.acts.writeCopy = async (request) => {
    if (request.target === 'one')
      throw ApplicationFailure.create({ type: 'CK-BACKUP-FAILED', message: 'full', nonRetryable: true })
    return writeCopy(request)
  }
  const { outcome } = await failureOf((await rig.archive()).result())
  expect(outcome.targets).toMatchObject([
    { target: 'one', copy: null, failure: { code: 'CK-BACKUP-FAILED' } },
    { target: 'two', copy: { state: 'verified' }, failure: null },
  ])
  expect(order().at(-1)).toBe('releaseCapture')
})

it('marks a copy damaged on its target and fails, when it does not read back', async () => {
  rig.acts.verifyCopy = async ({ target }) => {
    const good = target === 'two'
    return {
      state: good ? 'verified' : 'damaged',
      rootHash: 'sha256-4m:aa',
      reason: good ? null : 'other hash',
      readBytes: 1,
    }
  }
  const { message, outcome } = await failureOf((await rig.archive()).result())
  expect(message).toContain('CK-COPY-DAMAGED')
  expect(outcome.targets[0]?.copy).toMatchObject({ state: 'damaged', verifiedAt: null, reason: 'other hash' })
  expect(rig.stored.get('one')).toMatchObject([{ state: 'damaged' }])
})

it('fails over a copy that may be damaged, and does not call it verified', async () => {
  rig.acts.verifyCopy = async () => ({ state: 'suspect', rootHash: null, reason: 'no space', readBytes: 0 })
  const { message, outcome } = await failureOf((await rig.archive()).result())
  expect(message).toContain('CK-COPY-SUSPECT  the copy on one may be damaged: no space')
  expect(outcome.targets[0]?.copy).toMatchObject({ state: 'suspect', verifiedAt: null })
})

it('does not fail over a copy whose bytes cannot be reached, and does not call it verified', async () => {
  rig.acts.verifyCopy = async () => ({
    state: 'unverified',
    rootHash: null,
    reason: 'no source reaches it',
    readBytes: 0,
  })
  const { targets } = await (await rig.archive()).result()
  expect(targets[0]).toMatchObject({ copy: { state: 'unverified', verifiedAt: null }, failure: null })
})

it('stops its writers before it cleans up, when it is cancelled', async () => {
  const stopped: string[] = []
  rig.acts.writeCopy = async ({ target, capture }) => {
    const signal = cancellationSignal()
    while (!signal.aborted) {
      heartbeat(activityInfo().attempt)
      await sleep(100)
    }
    // one takes longer to stop than the other
    await sleep(target === 'one' ? 100 : 2000)
    stopped.push(`${target} ${rig.named('removeTemporaries').length}`)
    signal.throwIfAborted()
    return copyOf(target, capture)
  }
  const archive = await rig.archive()
  await eventually('both write', () => rig.named('writeCopy').length === 2)
  await archive.cancel()
  await expect(archive.result()).rejects.toThrow(WorkflowFailedError)
  expect((await archive.describe()).status.name).toBe('CANCELLED')
  expect(stopped.sort()).toEqual(['one 0', 'two 0'])
  expect(order().at(-1)).toBe('releaseCapture')
})

it('writes down that a copy is damaged, even when it is cancelled just then', async () => {
  const { markCopy } = rig.acts
  rig.acts.verifyCopy = async () => ({ state: 'damaged', rootHash: 'x', reason: 'other hash', readBytes: 1 })
  rig.acts.markCopy = async (request) => {
    for (let i = 0; i < 40; i++) {
      heartbeat()
      await sleep(100)
      cancellationSignal().throwIfAborted()
    }
    return markCopy(request)
  }
  const archive = await rig.archive()
  await eventually('both are being marked', () => rig.named('markCopy').length === 2)
  await archive.cancel()
  await archive.result().catch(() => undefined)
  expect(rig.stored.get('one')).toMatchObject([{ state: 'damaged' }])
  expect(rig.stored.get('two')).toMatchObject([{ state: 'damaged' }])
  expect(order().at(-1)).toBe('releaseCapture')
})

it('tells its entity of its copies when its snapshot cannot be removed', async () => {
  rig.acts.releaseCapture = async () => {
    throw ApplicationFailure.create({ type: 'CK-SNAPSHOT-BUSY', message: 'a clone holds it' })
  }
  await rig.hint('volume.create.end')
  const copies = await eventually(
    'the point',
    async () => (await rig.entity.query(pointsQuery))[0]?.copies ?? false,
    50,
  )
  expect(copies).toMatchObject([{ state: 'verified' }, { state: 'verified' }])
  const { archives } = await rig.entity.query(statusQuery)
  expect(archives).toHaveLength(1)
}, 90_000)

it('releases its capture at its maximum age, whatever is unfinished', async () => {
  const { writeCopy } = rig.acts
  rig.acts.writeCopy = async (request) => {
    if (request.target === 'two') return writeCopy(request)
    const signal = cancellationSignal()
    while (!signal.aborted) {
      heartbeat()
      await sleep(100)
    }
    throw signal.reason
  }
  const pace = { heartbeatSeconds: 5, firstRetrySeconds: 1, captureMaxAgeSeconds: 8 }
  const { outcome } = await failureOf((await rig.archive({ pace })).result())
  expect(outcome.targets).toMatchObject([
    { target: 'one', failure: { code: 'CK-CAPTURE-TOO-OLD' } },
    { target: 'two', failure: null },
  ])
  expect(order().at(-1)).toBe('releaseCapture')
})

it('uses the same names and cleans up again when it is reset', async () => {
  const archive = await rig.archive()
  await archive.result()
  const { client, namespace } = rig.temporal
  const { runId } = await archive.describe()
  await client.workflowService.resetWorkflowExecution({
    namespace,
    workflowExecution: { workflowId: archive.workflowId, runId },
    // a Long where it is large
    workflowTaskFinishEventId: 4 as never,
    requestId: randomUUID(),
    reason: 'a test',
  })
  await client.workflow.getHandle(archive.workflowId).result()
  for (const activity of ['takeCapture', 'releaseCapture'] as const) {
    const ids = rig.named(activity).map(({ request }) => request['archiveId'])
    expect(ids).toHaveLength(2)
    expect(new Set(ids).size).toBe(1)
  }
})

it('tries a dead writer’s work again, and tells its lane’s holder as soon as a copy is written', async () => {
  const verifying = gate()
  const { verifyCopy } = rig.acts
  rig.acts.verifyCopy = async (request) => {
    await verifying.opened
    return verifyCopy(request)
  }
  let attempts = 0
  const { writeCopy } = rig.acts
  rig.acts.writeCopy = async (request) => {
    // the first attempt never answers and never heartbeats: as good as killed
    if (request.target === 'one' && ++attempts === 1) await sleep(8000)
    return writeCopy(request)
  }
  const archive = await rig.archive({ entity: rig.entityId })
  await eventually('both are being read back', () => {
    return new Set(rig.named('verifyCopy').map(({ request }) => request['target'])).size === 2
  })
  expect(attempts).toBe(2)
  verifying.open()
  await archive.result()
})
