import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { awaitArchive } from '../../activities/await-archive.js'
import { beginRebuild } from '../../activities/begin-rebuild.js'
import type { Deps } from '../../activities/control-activities.js'
import { eventually, gate, workflowRig, type WorkflowRig } from '../helpers/workflow-rig.js'

let rig: WorkflowRig
let deps: Deps
beforeEach(async () => {
  rig = await workflowRig()
  const { workflow: workflows } = rig.temporal.client
  deps = { workflows, targets: new Map([['cinder', {}]]) } as unknown as Deps
})
afterEach(async () => {
  await rig.close()
})

describe('awaitArchive', () => {
  it('says that an archive still runs, then how it ended and with what', async () => {
    const door = gate()
    const { writeCopy } = rig.acts
    rig.acts.writeCopy = async (request) => {
      await door.opened
      return writeCopy(request)
    }
    const { workflowId: archive } = await rig.archive()
    await expect(awaitArchive(deps)({ archive })).rejects.toMatchObject({
      ...{ type: 'CK-ARCHIVE-RUNNING', category: 'BENIGN', nonRetryable: false },
    })
    door.open()
    await rig.temporal.client.workflow.getHandle(archive).result()
    expect(await awaitArchive(deps)({ archive })).toMatchObject({
      ...{ status: 'completed', failure: null },
      outcome: { archive, targets: [{ target: 'cinder', copy: { state: 'verified' } }] },
    })
  })

  it('tells of a failed archive what it did achieve', async () => {
    rig.acts.verifyCopy = async () => ({ state: 'damaged', rootHash: null, reason: 'one bit', readBytes: 1 })
    const { workflowId: archive } = await rig.archive()
    await expect(rig.temporal.client.workflow.getHandle(archive).result()).rejects.toThrow()
    const end = await awaitArchive(deps)({ archive })
    expect(end).toMatchObject({ status: 'failed', outcome: { targets: [{ copy: { state: 'damaged' } }] } })
    expect(end.failure).toContain('CK-COPY-DAMAGED')
  })

  it('tells cancelled, terminated and unknown archives apart', async () => {
    const door = gate()
    const { writeCopy } = rig.acts
    rig.acts.writeCopy = async (request) => {
      await door.opened
      return writeCopy(request)
    }
    const [one, two] = [await rig.archive(), await rig.archive()]
    await eventually('both write', () => rig.named('writeCopy').length === 2)
    const { workflow } = rig.temporal.client
    await workflow.getHandle(one.workflowId).cancel()
    await workflow.getHandle(two.workflowId).terminate('a test')
    door.open()
    await expect(workflow.getHandle(one.workflowId).result()).rejects.toThrow()
    expect(await awaitArchive(deps)({ archive: one.workflowId })).toMatchObject({ status: 'cancelled' })
    expect(await awaitArchive(deps)({ archive: two.workflowId })).toMatchObject({ status: 'terminated' })
    expect(await awaitArchive(deps)({ archive: 'archive/no/such/1' })).toMatchObject({ status: 'gone', outcome: null })
  })
})

describe('beginRebuild', () => {
  it('names all targets, and the archives of this volume alone that run', async () => {
    const door = gate()
    rig.acts.verifyCopy = async () => {
      await door.opened
      return { state: 'verified', rootHash: null, reason: null, readBytes: 0 }
    }
    await rig.hint({ messageId: 'm1', event: 'volume.create.end' })
    const found = await eventually('a running archive', async () => {
      const answer = await beginRebuild(deps)({ volumeId: rig.volumeId })
      return answer.running.length > 0 && answer
    })
    expect(found).toMatchObject({
      targets: ['cinder'],
      running: [
        {
          archive: `archive/${rig.volumeId}/event:volume.create.end:m1/1`,
          ...{ slot: 'event:volume.create.end:m1', events: ['volume.create.end'], targets: ['cinder'], failures: 0 },
        },
      ],
    })
    expect(await beginRebuild(deps)({ volumeId: 'another' })).toMatchObject({ targets: ['cinder'], running: [] })
    door.open()
    await eventually('its end', async () => (await beginRebuild(deps)({ volumeId: rig.volumeId })).running.length === 0)
  })
})
