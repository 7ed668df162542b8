import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { cancellationSignal, heartbeat } from '@temporalio/activity'
import { ApplicationFailure } from '@temporalio/common'
import { setTimeout as sleep } from 'node:timers/promises'
import { pointsQuery, statusQuery } from '../../workflows/messages.js'
import { copyOf, eventually, gate, workflowRig, type WorkflowRig } from '../helpers/workflow-rig.js'

let rig: WorkflowRig
const status = () => rig.entity.query(statusQuery)
const points = () => rig.entity.query(pointsQuery)
const archives = () => rig.named('takeCapture').length

const settled = async () =>
  eventually('the volume is at rest', async () => {
    const { archives, burst, rebuilding } = await status()
    return archives.length === 0 && burst === null && rebuilding?.length === 0
  })

afterEach(async () => {
  await rig.close()
})

describe('archives that end badly', () => {
  beforeEach(async () => {
    rig = await workflowRig()
  })

  it('tries a failed slot again later and says that the volume is failing', async () => {
    rig.acts.takeCapture = async () => {
      throw ApplicationFailure.create({
        type: 'CK-SNAPSHOT-FAILED',
        message: 'CK-SNAPSHOT-FAILED  no',
        nonRetryable: true,
      })
    }
    await rig.hint('volume.create.end')
    const failing = await eventually('it fails', async () => {
      const seen = await status()
      return seen.protection === 'failing' && seen
    })
    expect(failing.wants['cinder']).toMatchObject({ failures: 1, reason: 'CK-SNAPSHOT-FAILED  no' })
    expect(failing.wants['cinder']?.at).toBeGreaterThan(Date.now())
    expect(rig.named('releaseCapture')).toHaveLength(1)
  })

  it('removes by name what a terminated archive left, and wants another', async () => {
    const writing = gate()
    rig.acts.writeCopy = async () => {
      await writing.opened
      throw ApplicationFailure.create({ message: 'too late', nonRetryable: true })
    }
    await rig.hint('volume.create.end')
    const { archive, archiveId } = await eventually('it runs', async () => (await status()).archives[0] ?? false)
    await eventually('it writes', () => rig.named('writeCopy').length === 1)
    await rig.temporal.client.workflow.getHandle(archive).terminate('an operator’s click')
    await eventually('it was undone', () => rig.named('undoArchive').length === 1)
    expect(rig.named('undoArchive')[0]?.request).toEqual({ volumeId: rig.volumeId, archiveId, targets: ['cinder'] })
    await eventually('another is wanted', async () => 'cinder' in (await status()).wants)
    writing.open()
    // a request that it had sent may be carried out later: the lane is free, and it is looked at again
    expect(await status()).toMatchObject({ running: {}, leftovers: [{ archive }] })
    await eventually('a second look waits', async () => (await rig.timersOf(rig.entityId)).includes(120))
  })

  it('removes what a terminated archive left even when it was terminated together with it', async () => {
    rig.acts.writeCopy = async () => {
      throw ApplicationFailure.create({ message: 'not yet' })
    }
    await rig.hint('volume.create.end')
    const { archive, archiveId } = await eventually('it runs', async () => (await status()).archives[0] ?? false)
    await eventually('it writes', () => rig.named('writeCopy').length > 0)
    await rig.entity.terminate('everything at once')
    await rig.temporal.client.workflow.getHandle(archive).terminate('everything at once')
    await eventually('the list of workflows shows it', async () => {
      const query = `WorkflowId = '${archive}' AND ExecutionStatus = 'Terminated'`
      for await (const one of rig.temporal.client.workflow.list({ query })) return one.workflowId === archive
      return false
    })
    await rig.hint('volume.update.end')
    await eventually('it is undone', () => rig.named('undoArchive').length === 1)
    expect(rig.named('undoArchive')[0]?.request['archiveId']).toBe(archiveId)
  })

  it('asks the targets what a cancelled archive did achieve, and does not begin it again', async () => {
    await rig.close()
    rig = await workflowRig({ targets: ['one', 'two'] })
    rig.acts.writeCopy = async ({ target, capture }) => {
      if (target === 'one') return copyOf(target, capture)
      const signal = cancellationSignal()
      while (!signal.aborted) {
        heartbeat()
        await sleep(100)
      }
      throw signal.reason
    }
    await rig.hint('volume.create.end')
    const { archive } = await eventually('it runs', async () => (await status()).archives[0] ?? false)
    await eventually('one copy is marked', () => rig.stored.get('one')?.length === 1)
    await rig.temporal.client.workflow.getHandle(archive).cancel()
    await eventually('the copy is known', async () => (await points()).length === 1)
    expect((await points())[0]?.copies).toMatchObject([{ target: 'one', state: 'verified' }])
    expect((await status()).wants).toEqual({})
  })

  it('archives no second time what had no room to be read back, and reads it back when there is', async () => {
    const { verifyCopy } = rig.acts
    rig.acts.verifyCopy = async () => {
      throw ApplicationFailure.create({
        type: 'CK-CLOUD-QUOTA',
        message: 'no room for a scratch volume',
        nonRetryable: true,
      })
    }
    await rig.hint('volume.create.end')
    await eventually('the copy is known', async () => (await points()).length === 1)
    await settled()
    expect((await points())[0]?.copies).toMatchObject([{ state: 'unverified', reason: 'no room for a scratch volume' }])
    expect((await status()).wants).toEqual({})
    rig.acts.verifyCopy = verifyCopy
    await eventually('it is verified', async () => (await points())[0]?.copies[0]?.state === 'verified')
    expect(archives()).toBe(1)
  })

  it('goes on following an archive that was reset, and undoes nothing under its feet', async () => {
    const writing = gate()
    const { writeCopy } = rig.acts
    rig.acts.writeCopy = async (request) => {
      await writing.opened
      return writeCopy(request)
    }
    await rig.hint('volume.create.end')
    const { archive } = await eventually('it runs', async () => (await status()).archives[0] ?? false)
    await eventually('it writes', () => rig.named('writeCopy').length === 1)
    const { client, namespace } = rig.temporal
    const { runId } = await client.workflow.getHandle(archive).describe()
    await client.workflowService.resetWorkflowExecution({
      namespace,
      workflowExecution: { workflowId: archive, runId },
      // a Long where it is large
      workflowTaskFinishEventId: 4 as never,
      requestId: archive,
      reason: 'a test',
    })
    await eventually('it captures again under the same name', () => archives() === 2)
    writing.open()
    await eventually('its point', async () => (await points()).length === 1)
    const names = rig.named('takeCapture').map(({ request }) => request['archiveId'])
    expect(new Set(names).size).toBe(1)
    expect(rig.named('undoArchive')).toHaveLength(0)
    expect(rig.named('releaseCapture')).toHaveLength(1)
  })
})

describe('volumes that change hands or go', () => {
  beforeEach(async () => {
    rig = await workflowRig()
  })

  it('keeps the points of a deleted volume and says so', async () => {
    await rig.hint('volume.create.end')
    await eventually('a point', async () => (await points()).length === 1)
    rig.acts.assess = async (request) => ({
      ...rig.verdictFor(request),
      ...{ kind: 'gone', volume: null, policy: null, plan: null, reasons: ['gone'] },
    })
    await rig.hint('volume.delete.end')
    await eventually('it says so', async () => (await status()).protection === 'source-gone')
    expect(await points()).toHaveLength(1)
  })

  it('follows a volume to its new project', async () => {
    await rig.hint('volume.create.end')
    await eventually('a point', async () => (await points()).length === 1)
    const { volume, ...verdict } = rig.verdictFor({
      slot: 's',
      attempt: 1,
      targets: null,
      last: null,
      events: [],
      manual: false,
      volumeId: '',
    })
    rig.acts.assess = async () => ({
      ...verdict,
      volume: volume && { ...volume, projectId: 'q', projectName: 'research' },
    })
    await rig.hint('volume.transfer.accept.end')
    await eventually('the new project', async () => (await status()).project === 'research')
    expect((await points())[0]?.projectId).toBe('p')
  })

  it('ends when no policy protects the volume and no copy of it exists', async () => {
    rig.acts.assess = async (request) => ({ ...rig.verdictFor(request), kind: 'none', policy: null, plan: null })
    await rig.hint('volume.create.end')
    await eventually('it ends', async () => (await rig.entity.describe()).status.name === 'COMPLETED')
    expect(rig.named('listCopies')).toHaveLength(1)
  })
})
