/** As record-histories: archives of volumes whose servers were frozen. */
import { serverWorkflowId } from '../../workflows/server-messages.js'
import { refusal } from '../helpers/fake-agent.js'
import { serverRig } from '../helpers/server-rig.js'
import { save } from './record-histories.js'

/** A volume and its server's two volumes under a freeze, one freeze that is tried again, one that fails. */
export async function recordFrozen(): Promise<void> {
  const { rig, agent, serverId, other, begin, report, close } = await serverRig()
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
  const together = [await begin(rig.volumeId), await begin(other)]
  for (const archive of together) await archive.result()
  await report()
  await save(rig, 'archive-volume-of-server', together[0]?.workflowId ?? '')
  await save(rig, 'capture-server', serverWorkflowId(serverId))
  await close()
}
