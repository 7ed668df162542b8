import { WorkflowFailedError } from '@temporalio/client'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { permitsWorkflowId, targetScope } from '../../workflows/messages.js'
import { pauseUpdate, permitsQuery, permitRequestedSignal, resumeUpdate } from '../../workflows/permit-messages.js'
import type { permits } from '../../workflows/permits.js'
import { eventually, gate, workflowRig, type WorkflowRig } from '../helpers/workflow-rig.js'

let rig: WorkflowRig
beforeEach(async () => {
  rig = await workflowRig()
})
afterEach(async () => {
  await rig.close()
})

const one = [{ scope: targetScope('cinder'), limit: 1 }]
const handle = () => rig.temporal.client.workflow.getHandle<typeof permits>(permitsWorkflowId)
const state = () => handle().query(permitsQuery)
const captures = () => rig.named('takeCapture').length
type Archive = Awaited<ReturnType<WorkflowRig['archive']>>

/** Captures wait until the door is opened. */
function closedDoor() {
  const door = gate()
  const { takeCapture } = rig.acts
  rig.acts.takeCapture = async (request) => {
    await door.opened
    return takeCapture(request)
  }
  return door
}

async function holdsAndWaits(): Promise<[Archive, Archive]> {
  const holds = await rig.archive({ permits: one })
  await eventually('it captures', () => captures() === 1)
  const waits = await rig.archive({ permits: one }, { projectId: 'q' })
  await eventually('it waits', async () => (await phaseOf(waits)) === 'waiting')
  return [holds, waits]
}

async function phaseOf(archive: Pick<Archive, 'describe'>): Promise<unknown> {
  const { typedSearchAttributes } = await archive.describe()
  return typedSearchAttributes.getAll().find(({ key }) => key.name === 'phase')?.value
}

async function detailsOf(archive: { query: Archive['query'] }): Promise<string> {
  const metadata = await archive.query<{ currentDetails: string }>('__temporal_workflow_metadata')
  return metadata.currentDetails
}

async function runIdOf(): Promise<string> {
  return (await handle().describe()).runId
}

/** From the command line it would also start the workflow. */
async function pause(scope: string) {
  return handle().executeUpdate(pauseUpdate, { args: [{ scope, by: 'ann', reason: 'new disks' }] })
}
const resume = async (scope: string) => handle().executeUpdate(resumeUpdate, { args: [{ scope }] })

describe('an archive that needs permits', () => {
  it('waits for those who have them, says why, and captures when they are given back', async () => {
    const door = closedDoor()
    const [holds, waits] = await holdsAndWaits()
    const details = await detailsOf(waits)
    expect(details).toContain('### db: waiting')
    expect(details).toContain('- target:cinder is used by 1 of at most 1')
    expect(await detailsOf(handle())).toMatch(/### 1 archives hold permits, 1 wait\n- target:cinder: 1 in use, limit 1/)
    expect(captures()).toBe(1)
    door.open()
    await Promise.all([holds.result(), waits.result()])
    // the second one is not captured before the first one's snapshot is gone
    const order = rig.calls.map(({ activity }) => activity).filter((name) => /Capture$/.test(name))
    expect(order).toEqual(['takeCapture', 'releaseCapture', 'takeCapture', 'releaseCapture'])
    await eventually('all is given back', async () => (await state()).holders.length === 0)
  })

  it('leaves nothing when it is cancelled while it waits', async () => {
    const door = closedDoor()
    const [holds, waits] = await holdsAndWaits()
    await waits.cancel()
    await expect(waits.result()).rejects.toThrow(WorkflowFailedError)
    expect((await waits.describe()).status.name).toBe('CANCELLED')
    expect(await state()).toMatchObject({ waitingInAll: 0, holders: [{ archive: holds.workflowId }] })
    const other = (call: { request: Record<string, unknown> }) => call.request['archive'] === waits.workflowId
    expect(rig.calls.filter(other).map(({ activity }) => activity)).toEqual(['requestPermit'])
    expect(rig.named('releaseCapture')).toEqual([])
    door.open()
    await holds.result()
  })

  it('makes no hop for permits when it needs none', async () => {
    const archive = await rig.archive({ permits: [] })
    await archive.result()
    expect(rig.named('requestPermit')).toEqual([])
    const { events } = await archive.fetchHistory()
    expect(events?.filter((event) => event.signalExternalWorkflowExecutionInitiatedEventAttributes)).toEqual([])
  })

  it('gives its place to others when it was terminated', async () => {
    const door = closedDoor()
    const [holds, waits] = await holdsAndWaits()
    await holds.terminate('a test')
    await eventually('the other one is granted', async () => (await phaseOf(waits)) === 'capturing')
    expect((await state()).holders).toMatchObject([{ archive: waits.workflowId }])
    door.open()
    await waits.result()
  })
})

describe('permits/all', () => {
  it('finds out again who holds and who waits, and what is paused, after it was terminated', async () => {
    const door = closedDoor()
    const [holds, waits] = await holdsAndWaits()
    await pause('backend:x')
    await handle().terminate('a test')
    // somebody else asks, and so starts it again
    const third = await rig.archive({ permits: one }, { projectId: 'r' })
    const seen = await eventually('both wait', async () => {
      const now = await state().catch(() => null)
      return now?.waitingInAll === 2 && now
    })
    expect(seen.holders).toMatchObject([{ archive: holds.workflowId }])
    expect(seen.paused).toMatchObject({ 'backend:x': { by: 'ann', reason: 'new disks' } })
    expect(seen.waiting.map(({ archive }) => archive).sort()).toEqual([waits.workflowId, third.workflowId].sort())
    door.open()
    await Promise.all([holds, waits, third].map((archive) => archive.result()))
    await resume('backend:x')
  })

  it('finds out again after Cancel too, and goes on', async () => {
    const door = closedDoor()
    const [holds, waits] = await holdsAndWaits()
    const before = await runIdOf()
    await handle().cancel()
    await eventually('a new run', async () => (await runIdOf()) !== before)
    await eventually('it knows again', async () => {
      const { holders, waiting } = await state()
      return holders[0]?.archive === holds.workflowId && waiting[0]?.archive === waits.workflowId
    })
    door.open()
    await Promise.all([holds.result(), waits.result()])
  })

  it('loses no request while it begins new runs', async () => {
    // the scope is full: all of these wait, whichever run they were told
    const door = closedDoor()
    await rig.archive({ permits: one })
    await eventually('it captures', () => captures() === 1)
    let run = await runIdOf()
    const scope = targetScope('cinder')
    let told = 0
    /** Most ask again, as those do who wait. */
    const send = async (count: number) =>
      Promise.all(
        Array.from({ length: count }, async (_, i) => {
          const archive = `archive/nobody/${i % 5 === 0 ? told++ : told % (i + 1)}/1`
          const request = { archive, project: 'p', first: false, since: told, permits: [{ scope, limit: 1 }] }
          await handle().signal(permitRequestedSignal, request)
        }),
      )
    for (const round of [1, 2]) {
      for (let batch = 0; batch < 40; batch += 1) await send(50)
      await eventually(`new run ${round}`, async () => {
        await send(10)
        // a run ends in a quiet moment: some of these are just too short, some end while a run does
        await sleep(700 + ((told * 37) % 500))
        return (await runIdOf()) !== run
      })
      run = await runIdOf()
    }
    // more do not travel
    expect(told).toBeLessThan(2000)
    expect((await state()).waitingInAll).toBe(told)
    door.open()
  })
})

describe('a brake', () => {
  it('stops an archive before it captures, and between writing and reading back, until it is released', async () => {
    const writing = gate()
    const { writeCopy } = rig.acts
    rig.acts.writeCopy = async (request) => {
      await writing.opened
      return writeCopy(request)
    }
    // with a permit, so that permits/all runs
    const first = await rig.archive({ permits: [{ scope: 'all', limit: null }] })
    await eventually('it writes', () => rig.named('writeCopy').length === 1)
    await pause('target:cinder')
    await eventually('it was told', () => rig.named('tellBrakes').length >= 1)
    // planned before the pause was known: it has no permit to ask for
    const second = await rig.archive({ permits: [] })
    writing.open()
    const late = await rig.archive({ permits: [{ scope: 'target:cinder', limit: null }] })
    await eventually('the first one is paused', async () => (await phaseOf(first)) === 'paused')
    await eventually('the late one waits', async () => (await phaseOf(late)) === 'waiting')
    expect(await detailsOf(first)).toMatch(/db: paused[\s\S]*target:cinder is paused by ann since .*: new disks/)
    expect(rig.named('verifyCopy').some(({ request }) => isOf(first, request['copy']))).toBe(false)
    expect(rig.named('takeCapture').some(({ request }) => request['archive'] === late.workflowId)).toBe(false)
    expect(await resume('target:cinder')).toEqual({ changed: true })
    for (const archive of [first, second, late]) {
      expect((await archive.result()).targets).toMatchObject([{ copy: { state: 'verified' } }])
    }
  })

  it('stops what concerns its backend or everything, and nothing else', async () => {
    const door = closedDoor()
    const starter = await rig.archive({ permits: [{ scope: 'all', limit: null }] })
    await eventually('it captures', () => captures() === 1)
    await pause('backend:host@other')
    await pause('target:elsewhere')
    const free = await rig.archive({ backend: 'host@ceph' })
    await eventually('it captures all the same', () => captures() === 2)
    await pause('backend:host@ceph')
    // of the other scopes it may be told too
    await eventually('it is told', async () => isTold(free, 'backend:host@ceph'))
    door.open()
    await starter.result()
    await eventually('it stops before it reads back', async () => (await phaseOf(free)) === 'paused')
    for (const scope of ['backend:host@other', 'target:elsewhere', 'backend:host@ceph']) await resume(scope)
    await free.result()
  })

  it('lets an archive that is stopped be cancelled, and the snapshot go', async () => {
    const writing = gate()
    const { writeCopy } = rig.acts
    rig.acts.writeCopy = async (request) => {
      await writing.opened
      return writeCopy(request)
    }
    const archive = await rig.archive({ permits: [{ scope: 'all', limit: 2 }] })
    await eventually('it writes', () => rig.named('writeCopy').length === 1)
    await pause('all')
    await eventually('it was told', async () => (await historyHas(archive, 'brake')) >= 1)
    writing.open()
    await eventually('it is paused', async () => (await phaseOf(archive)) === 'paused')
    await archive.cancel()
    await expect(archive.result()).rejects.toThrow(WorkflowFailedError)
    expect(rig.calls.at(-1)?.activity).toBe('releaseCapture')
    await eventually('its permit is back', async () => (await state()).holders.length === 0)
    await resume('all')
  })
})

function isOf({ workflowId }: { workflowId: string }, copy: unknown): boolean {
  return (copy as { archive: string }).archive === workflowId
}

async function isTold(archive: Archive, scope: string): Promise<boolean> {
  const { events } = await archive.fetchHistory()
  const signals = (events ?? []).map((event) => event.workflowExecutionSignaledEventAttributes)
  return signals.some((signal) =>
    signal?.input?.payloads?.some(({ data }) => Buffer.from(data ?? []).includes(`"${scope}"`)),
  )
}

async function historyHas(archive: Archive, signal: string): Promise<number> {
  const { events } = await archive.fetchHistory()
  return (events ?? []).filter((event) => event.workflowExecutionSignaledEventAttributes?.signalName === signal).length
}
