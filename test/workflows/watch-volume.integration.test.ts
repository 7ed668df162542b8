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
const runId = async () => (await rig.entity.describe()).runId
const settled = async () =>
  eventually('the volume is at rest', async () => {
    const { archives, burst, rebuilding } = await status()
    return archives.length === 0 && burst === null && rebuilding?.length === 0
  })

afterEach(async () => {
  await rig.close()
})

describe('hints', () => {
  beforeEach(async () => {
    rig = await workflowRig({ settleSeconds: 2 })
  })

  it('makes one archive of a burst, named by its first hint', async () => {
    await rig.hint({ messageId: 'first' }, { messageId: 'second' })
    for (let i = 0; i < 5; i++) await rig.hint('volume.create.end')
    const [point] = await eventually('a point', async () => (await points()).length > 0 && points())
    await settled()
    expect(archives()).toBe(1)
    expect(point?.slot).toBe('event:volume.create.end:first')
    expect(point?.copies).toMatchObject([{ target: 'cinder', state: 'verified' }])
  })

  it('gives a notification that is delivered again no effect, even after the workflow continued as new', async () => {
    await rig.hint({ messageId: 'once' })
    await eventually('a point', async () => (await points()).length === 1)
    await settled()
    await rig.hint({ messageId: 'once' })
    await rig.hint({ messageId: 'another', event: 'volume.update.end' })
    await eventually('the other hint was looked at', async () => (await status()).lastReasons.includes('no event'))
    expect(archives()).toBe(1)
  })

  it('asks for one more archive when hints come after the capture', async () => {
    const writing = gate()
    const { writeCopy } = rig.acts
    rig.acts.writeCopy = async (request) => {
      await writing.opened
      return writeCopy(request)
    }
    await rig.hint('volume.create.end')
    await eventually('the first capture', () => archives() === 1)
    for (let i = 0; i < 4; i++) await rig.hint('volume.create.end')
    await eventually('the lane is noted as busy', async () => 'cinder' in (await status()).wants)
    writing.open()
    await eventually('two points', async () => (await points()).length === 2)
    await settled()
    expect(archives()).toBe(2)
  })
})

describe('a Cinder that answers slowly', () => {
  it('loses no hint that comes while the volume is looked at', async () => {
    rig = await workflowRig()
    const looking = gate()
    const { assess } = rig.acts
    rig.acts.assess = async (request) => {
      if (request.events.includes('volume.update.end')) await looking.opened
      return assess(request)
    }
    await rig.hint('volume.update.end')
    await eventually('it is looked at', () => rig.named('assess').length === 1)
    // longer than a workflow task can be kept alive without a word: then the signal comes in between
    const other = rig.hint('volume.create.end')
    await other
    await eventually('the other hint has arrived', async () => (await status()).seen.length === 2)
    looking.open()
    await eventually('its archive', async () => (await points()).length === 1)
  })
})

describe('lanes', () => {
  it('takes the free lanes and comes back for the busy one', async () => {
    rig = await workflowRig({ targets: ['fast', 'slow'] })
    const slow = gate()
    const { writeCopy } = rig.acts
    rig.acts.writeCopy = async (request) => {
      if (request.target === 'slow') await slow.opened
      return writeCopy(request)
    }
    await rig.hint('volume.create.end')
    await eventually('the fast lane is free again', async () => {
      const { running } = await status()
      return 'slow' in running && !('fast' in running)
    })
    await rig.hint('volume.create.end')
    await eventually('a second copy on the fast target', () => rig.stored.get('fast')?.length === 2)
    expect(rig.stored.get('slow')).toHaveLength(0)
    expect((await status()).wants).toMatchObject({ slow: { failures: 0 } })
    slow.open()
    await eventually('the slow target got both', () => rig.stored.get('slow')?.length === 2)
    await settled()
    // the third archive went to the slow target alone
    expect(rig.stored.get('fast')).toHaveLength(2)
    expect(archives()).toBe(3)
  })
})

describe('long lives', () => {
  it('continues as new while an archive runs, and loses neither its point nor a hint', async () => {
    rig = await workflowRig()
    const writing = gate()
    const { writeCopy } = rig.acts
    rig.acts.writeCopy = async (request) => {
      await writing.opened
      return writeCopy(request)
    }
    await rig.hint('volume.create.end')
    await eventually('the archive runs', () => archives() === 1)
    const first = await runId()
    const ids = Array.from({ length: 150 }, (_, i) => `hint-${i}`)
    for (let i = 0; i < ids.length; i += 5) {
      await Promise.all(ids.slice(i, i + 5).map((messageId) => rig.hint({ messageId, event: 'volume.update.end' })))
    }
    await eventually('another run', async () => (await runId()) !== first)
    const { seen, running } = await status()
    expect(ids.filter((id) => !seen.includes(id))).toEqual([])
    expect(Object.keys(running)).toEqual(['cinder'])
    await rig.hint({ messageId: 'while it runs' })
    writing.open()
    await eventually('both points', async () => (await points()).length === 2)
    expect(archives()).toBe(2)
  })
})

describe('wiped memories', () => {
  beforeEach(async () => {
    rig = await workflowRig()
    await rig.hint('volume.create.end')
    await eventually('a verified copy', async () => (await points()).length === 1)
    await settled()
  })

  it('takes Cancel in the UI as an order to read everything again', async () => {
    const before = await points()
    const first = await runId()
    rig.calls.length = 0
    await rig.entity.cancel()
    await eventually('a new run', async () => (await runId()) !== first)
    await settled()
    expect(rig.calls.map(({ activity }) => activity)).toEqual(['beginRebuild', 'listCopies'])
    expect(await points()).toEqual(before)
  })

  it('rebuilds before it decides when it was terminated', async () => {
    const before = await points()
    await rig.entity.terminate('an operator’s click')
    rig.calls.length = 0
    await rig.hint('volume.update.end')
    await eventually('it was assessed', () => rig.named('assess').length > 0)
    expect(rig.calls.slice(0, 3).map(({ activity }) => activity)).toEqual(['beginRebuild', 'listCopies', 'assess'])
    expect(await points()).toEqual(before)
  })

  it('finds an archive that ran on when it was terminated, and starts no second one beside it', async () => {
    const writing = gate()
    const { writeCopy } = rig.acts
    rig.acts.writeCopy = async (request) => {
      await writing.opened
      return writeCopy(request)
    }
    await rig.hint('volume.create.end')
    await eventually('the archive runs', () => archives() === 2)
    await rig.entity.terminate('an operator’s click')
    await eventually('the list of workflows shows the archive', async () => {
      const query = `WorkflowId STARTS_WITH 'archive/${rig.volumeId}/' AND ExecutionStatus = 'Running'`
      for await (const one of rig.temporal.client.workflow.list({ query })) return one.workflowId.length > 0
      return false
    })
    await rig.hint('volume.create.end')
    await eventually('its lane is known', async () => Object.keys((await status()).wants).length === 1)
    expect(archives()).toBe(2)
    writing.open()
    await eventually('all three points', async () => (await points()).length === 3)
  })
})

describe('targets that do not answer', () => {
  it('writes nothing to a target that has not said what it holds, and archives to the others', async () => {
    rig = await workflowRig({ targets: ['up', 'down'] })
    let answers = false
    const { listCopies } = rig.acts
    rig.acts.listCopies = async (request) => {
      if (request.target === 'down' && !answers) throw ApplicationFailure.create({ message: 'no answer' })
      return listCopies(request)
    }
    await rig.hint('volume.create.end')
    await eventually('a copy on the target that answers', () => rig.stored.get('up')?.length === 1, 60)
    expect(rig.stored.get('down')).toHaveLength(0)
    expect(await status()).toMatchObject({ protection: 'rebuilding', rebuilding: ['down'] })
    answers = true
    await eventually('a copy on the other, too', () => rig.stored.get('down')?.length === 1, 90)
    expect(rig.stored.get('up')).toHaveLength(1)
  }, 180_000)
})

describe('archives that end badly', () => {
  beforeEach(async () => {
    rig = await workflowRig()
  })

  it('tries a failed slot again later and says that the volume is failing', async () => {
    rig.acts.takeCapture = async () => {
      throw ApplicationFailure.create({
        type: 'CK-CLOUD-QUOTA',
        message: 'CK-CLOUD-QUOTA  no room',
        nonRetryable: true,
      })
    }
    await rig.hint('volume.create.end')
    const failing = await eventually('it fails', async () => {
      const seen = await status()
      return seen.protection === 'failing' && seen
    })
    expect(failing.wants['cinder']).toMatchObject({ failures: 1, reason: 'CK-CLOUD-QUOTA  no room' })
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

  it('archives no second time what was written but could not be read back', async () => {
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
