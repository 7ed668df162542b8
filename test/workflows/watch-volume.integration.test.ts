import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ApplicationFailure } from '@temporalio/common'
import { pointsQuery, statusQuery } from '../../workflows/messages.js'
import { eventually, gate, workflowRig, type WorkflowRig } from '../helpers/workflow-rig.js'

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

describe('what a later archive finds out', () => {
  it('makes earlier copies suspect', async () => {
    rig = await workflowRig()
    const { writeCopy } = rig.acts
    await rig.hint('volume.create.end')
    const [first] = await eventually('a point', async () => (await points()).length === 1 && points())
    const [copy] = first?.copies ?? []
    if (copy === undefined) throw new Error('no copy')
    // points of one second share a name
    await sleep(1100)
    const suspects = [{ ...copy, state: 'suspect' as const, reason: 'a block was missed' }]
    rig.acts.writeCopy = async (request) => ({ ...(await writeCopy(request)), suspects })
    await rig.hint('volume.create.end')
    await eventually('two points', async () => (await points()).length === 2)
    const states = Object.fromEntries((await points()).map(({ point, copies }) => [point, copies[0]]))
    expect(states[copy.point]).toMatchObject({ state: 'suspect', reason: 'a block was missed' })
    expect(Object.values(states).some((one) => one?.state === 'verified')).toBe(true)
    expect(Object.values(states).every((one) => one !== undefined && !('suspects' in one))).toBe(true)
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
    // more events than a run may have by themselves, however few tasks a busy server makes of them
    const ids = Array.from({ length: 220 }, (_, i) => `hint-${i}`)
    for (let i = 0; i < ids.length; i += 5) {
      await Promise.all(ids.slice(i, i + 5).map((messageId) => rig.hint({ messageId, event: 'volume.update.end' })))
    }
    await eventually('another run', async () => (await runId()) !== first)
    // what came while one run handed over to the next is on its way to it
    const { running } = await eventually('all hints are seen', async () => {
      const now = await status()
      return ids.every((id) => now.seen.includes(id)) && now
    })
    expect(Object.keys(running)).toEqual(['cinder'])
    await rig.hint({ messageId: 'while it runs' })
    writing.open()
    await eventually('both points', async () => (await points()).length === 2)
    expect(archives()).toBe(2)
    expect(rig.named('assess').at(-1)?.request).toMatchObject({ lastPolicy: 'all' })
    // it was queried all the while
    await rig.replay()
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
    expect(rig.calls.map(({ activity }) => activity)).toEqual(['beginRebuild', 'findMovers', 'listCopies'])
    expect(await points()).toEqual(before)
  })

  it('rebuilds before it decides when it was terminated', async () => {
    const before = await points()
    await rig.entity.terminate('an operator’s click')
    rig.calls.length = 0
    await rig.hint('volume.update.end')
    await eventually('it was assessed', () => rig.named('assess').length > 0)
    const order = ['beginRebuild', 'findMovers', 'listCopies', 'assess']
    expect(rig.calls.slice(0, 4).map(({ activity }) => activity)).toEqual(order)
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
    await eventually('a copy on the target that answers', () => rig.stored.get('up')?.length === 1)
    expect(rig.stored.get('down')).toHaveLength(0)
    expect(await status()).toMatchObject({ protection: 'rebuilding', rebuilding: ['down'] })
    answers = true
    await eventually('a copy on the other, too', () => rig.stored.get('down')?.length === 1)
    expect(rig.stored.get('up')).toHaveLength(1)
  })
})
