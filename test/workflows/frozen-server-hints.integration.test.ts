/** What notifications tell of a server is passed on to its volumes, whatever else becomes of it. */
import { afterEach, beforeEach, expect, it } from 'vitest'
import { hintServer } from '../../activities/hint-server.js'
import { pointsQuery } from '../../workflows/messages.js'
import { serverHintSignal, serverWorkflowId } from '../../workflows/server-messages.js'
import { serverRig, type ServerRig } from '../helpers/server-rig.js'
import { eventually, gate } from '../helpers/workflow-rig.js'

let bench: ServerRig
let { rig, serverId, other, begin, report } = {} as ServerRig
beforeEach(async () => {
  bench = await serverRig()
  ;({ rig, serverId, other, begin, report } = bench)
})
afterEach(async () => bench.close())

async function hint(messageId: string): Promise<void> {
  await rig.temporal.client.workflow.signalWithStart('captureServer', {
    ...{ workflowId: serverWorkflowId(serverId), taskQueue: rig.taskQueue, signal: serverHintSignal },
    signalArgs: [[{ messageId, event: 'instance.power_off.end' }]],
  })
}

it('are captured although nobody can tell them what a notification says of the server, which is tried on', async () => {
  const nova = gate()
  let tells = 0
  rig.acts.hintServer = async () => {
    tells += 1
    const isFirst = tells === 1
    await nova.opened
    if (isFirst) throw new Error('Nova is away')
  }
  await hint('m-1')
  await eventually('they are being told', () => tells === 1)
  const archives = [await begin(rig.volumeId), await begin(other)]
  expect((await archives[0]?.result())?.capture).toMatchObject({ consistency: 'frozen' })
  await hint('m-2')
  nova.open()
  await report()
  const told = rig.named('hintServer').map(({ request }) => request['hint'])
  // and one that cannot be told yet holds up no other
  expect(told).toMatchObject([{ messageId: 'm-1' }, { messageId: 'm-2' }, { messageId: 'm-1' }])
})

it('are told at once what a notification says of the server while it is captured', async () => {
  const members = gate()
  const { findMembers } = rig.acts
  rig.acts.findMembers = async (request) => {
    await members.opened
    return findMembers(request)
  }
  const archives = [await begin(rig.volumeId), await begin(other)]
  await eventually('its capture has begun', () => rig.named('findMembers').length === 1)
  await hint('m-1')
  await eventually('they are told', () => rig.named('hintServer').length === 1)
  members.open()
  for (const archive of archives) expect((await archive.result()).capture).toMatchObject({ consistency: 'frozen' })
})

it('are each told what a notification says of the server', async () => {
  const deps = { workflows: rig.temporal.client.workflow, serverVolumes: async () => [rig.volumeId], log: rig.log }
  rig.acts.hintServer = hintServer(deps, rig.taskQueue)
  const { verdictFor } = rig
  rig.acts.assess = async (request) =>
    verdictFor({ ...request, manual: request.events.includes('instance.power_off.end') })
  await hint('m-1')
  const points = await eventually('a point', async () => {
    const found = await rig.entity.query(pointsQuery).catch(() => [])
    return found.length > 0 && found
  })
  expect(points[0]?.slot).toBe('event:instance.power_off.end:m-1')
})
