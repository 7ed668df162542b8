/** As record-histories: archives of volumes whose servers were frozen. */
import { randomUUID } from 'node:crypto'
import { serverWorkflowId } from '../../workflows/server-messages.js'
import { fakeAgent, refusal } from '../helpers/fake-agent.js'
import { workflowRig } from '../helpers/workflow-rig.js'
import { save } from './record-histories.js'

/** A volume and its server's two volumes under a freeze, one freeze that is tried again, one that fails. */
export async function recordFrozen(): Promise<void> {
  const rig = await workflowRig()
  const agent = await fakeAgent(rig)
  const serverId = randomUUID()
  const other = randomUUID()
  const server = agent.server({ id: serverId })
  rig.acts.planFreeze = async ({ volumeIds }) => ({
    servers: [server],
    attached: volumeIds.map((volumeId) => ({ volumeId, serverIds: [serverId] })),
    limitSeconds: 5,
  })
  const names = [rig.volumeId, other].map((volumeId) => ({ volumeId, name: 'db' }))
  rig.acts.findMembers = async () => ({ members: names, leftOut: [], stale: [] })
  const consistency = { prefer: ['frozen' as const, 'crash' as const], require: 'crash' as const }
  let freezes = 0
  agent.acts.freezeServer = async () => {
    freezes += 1
    if (freezes === 1) throw refusal('CK-QUIESCE-ALREADY-FROZEN')
    if (freezes === 3) throw refusal('CK-QUIESCE-NO-AGENT')
    return { filesystems: 1 }
  }
  const alone = await rig.archive({ consistency })
  await alone.result()
  await save(rig, 'archive-volume-frozen', alone.workflowId)
  const unfrozen = await rig.archive({ consistency })
  await unfrozen.result()
  await save(rig, 'archive-volume-unfrozen', unfrozen.workflowId)
  const ofServer = { consistency, server: { id: serverId, name: 'web', calls: true } }
  const together = [await rig.archive(ofServer), await rig.archive(ofServer, { id: other })]
  for (const archive of together) await archive.result()
  await rig.temporal.client.workflow.getHandle(serverWorkflowId(serverId)).result()
  await save(rig, 'archive-volume-of-server', together[0]?.workflowId ?? '')
  await save(rig, 'capture-server', serverWorkflowId(serverId))
  await agent.close()
  await rig.close()
}
