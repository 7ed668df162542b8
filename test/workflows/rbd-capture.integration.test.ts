/** Archives whose capture is an RBD snapshot: it is taken and released near the storage, and becomes a base. */
import { Worker } from '@temporalio/worker'
import { ApplicationFailure } from '@temporalio/common'
import { afterEach, beforeEach, expect, it } from 'vitest'
import type { CaptureRequest } from '../../activities/take-capture.js'
import type { ReleaseRequest } from '../../activities/release-capture.js'
import type { Capture } from '../../targets/target.js'
import type { CapturedBy } from '../../workflows/messages.js'
import { statusQuery } from '../../workflows/messages.js'
import { eventually, gate, workflowRig, type WorkflowRig } from '../helpers/workflow-rig.js'

let rig: WorkflowRig
let mover: Worker
let running: Promise<void>
let capturedBy: CapturedBy
const taken: CaptureRequest[] = []
const released: ReleaseRequest[] = []
let take: (request: CaptureRequest) => Promise<Capture>

beforeEach(async () => {
  rig = await workflowRig({ targets: ['one', 'two'] })
  const { volumeId, taskQueue, temporal } = rig
  const place = { volumeId, host: 'lab@ceph#ceph', nameId: null }
  capturedBy = { maker: 'rbd', queue: `move@${taskQueue}`, seconds: 1764090000, place }
  take = async ({ archiveId, archive, slot, group }) => {
    const capture = rig.captureOf({ archiveId, archive, slot, group })
    return { ...capture, maker: 'rbd', volume: { ...capture.volume, host: place.host, nameId: null } }
  }
  taken.length = 0
  released.length = 0
  mover = await Worker.create({
    ...{ connection: temporal.nativeConnection, namespace: temporal.namespace, taskQueue: capturedBy.queue },
    activities: {
      takeCapture: async (request: CaptureRequest) => {
        taken.push(request)
        return take(request)
      },
      releaseCapture: async (request: ReleaseRequest) => {
        released.push(request)
      },
    },
    shutdownForceTime: '2 seconds',
  })
  running = mover.run()
})
afterEach(async () => {
  mover.shutdown()
  await running
  await rig.close()
})

it('is taken and released by the mover, as the base of those targets that verified it', async () => {
  rig.acts.verifyCopy = async ({ target }) => {
    const state = target === 'one' ? ('verified' as const) : ('damaged' as const)
    return { state, rootHash: 'sha256-4m:aa', reason: 'a test', readBytes: 4 }
  }
  const archive = await rig.archive({ capturedBy })
  await archive.result().catch(() => undefined)
  expect(taken).toMatchObject([{ capturedBy, volumeId: rig.volumeId }])
  expect(released).toMatchObject([
    { capturedBy, bases: ['one'], place: capturedBy.place, archiveId: taken[0]?.archiveId },
  ])
  expect([...rig.named('takeCapture'), ...rig.named('releaseCapture')]).toEqual([])
})

it('is released as nobody’s base when nothing was copied, and when it was not even known', async () => {
  rig.acts.writeCopy = async () => {
    throw ApplicationFailure.create({ type: 'CK-CAPTURE-LOST', message: 'CK-CAPTURE-LOST  a test', nonRetryable: true })
  }
  await (await rig.archive({ capturedBy })).result().catch(() => undefined)
  expect(released).toMatchObject([{ bases: [] }])
  take = async () => {
    throw ApplicationFailure.create({ type: 'CK-VOLUME-GONE', message: 'CK-VOLUME-GONE  a test', nonRetryable: true })
  }
  await (await rig.archive({ capturedBy })).result().catch(() => undefined)
  expect(released).toMatchObject([{ bases: [] }, { bases: [], snapshotId: null, capturedBy }])
})

it('of a terminated archive is removed by the mover, and what it left on targets as ever', async () => {
  const writing = gate()
  const { writeCopy } = rig.acts
  rig.acts.writeCopy = async (request) => {
    await writing.opened
    return writeCopy(request)
  }
  rig.acts.assess = async (request) => {
    const verdict = rig.verdictFor(request)
    return { ...verdict, plan: verdict.plan === null ? null : { ...verdict.plan, capturedBy } }
  }
  await rig.hint('volume.create.end')
  const { archive } = await eventually('it runs', async () => {
    const [one] = (await rig.entity.query(statusQuery)).archives
    return one !== undefined && taken.length > 0 && one
  })
  await rig.temporal.client.workflow.getHandle(archive).terminate('an operator’s click')
  const request = await eventually('the snapshot is removed', () => released[0] ?? false)
  expect(request).toMatchObject({ capturedBy, archiveId: taken[0]?.archiveId, snapshotId: null })
  expect(request.bases).toBeUndefined()
  expect(rig.named('undoArchive')[0]?.request['archiveId']).toBe(taken[0]?.archiveId)
  writing.open()
})
