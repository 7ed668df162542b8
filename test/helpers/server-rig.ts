/** A server with two volumes that one policy protects, for tests of its captures. */
import { randomUUID } from 'node:crypto'
import type { ArchiveRequest, CaptureServer } from '../../workflows/messages.js'
import { type ServerReport, serverWorkflowId } from '../../workflows/server-messages.js'
import { fakeAgent } from './fake-agent.js'
import { workflowRig } from './workflow-rig.js'

const wanted = { consistency: { prefer: ['detached', 'frozen', 'crash'], require: 'crash' } } as const

export type ServerRig = Awaited<ReturnType<typeof serverRig>>

export async function serverRig() {
  const rig = await workflowRig()
  const agent = await fakeAgent(rig)
  const serverId = randomUUID()
  const other = randomUUID()
  const server = agent.server({ id: serverId })
  rig.acts.planFreeze = async ({ volumeIds }) => ({
    servers: [server],
    attached: volumeIds.map((volumeId) => ({ volumeId, serverIds: [serverId] })),
    limitSeconds: 30,
  })
  rig.acts.findMembers = async () => ({
    members: [
      { volumeId: rig.volumeId, name: 'db' },
      { volumeId: other, name: 'log' },
    ],
    leftOut: [],
    stale: [],
  })
  const { snapshotTogether, takeCapture } = rig.acts
  rig.acts.snapshotTogether = async (request) => {
    agent.told.push(`snapshots ${request.members.length}`)
    return snapshotTogether(request)
  }
  rig.acts.takeCapture = async (request) => {
    const capture = await takeCapture(request)
    const volume = { ...capture.volume, volumeId: request.volumeId }
    return { ...capture, volume, ...(request.frozenSnapshotId === undefined && { consistency: 'crash' as const }) }
  }

  /** Of one of its volumes. */
  async function begin(volumeId: string, change: Partial<CaptureServer> = {}, given: Partial<ArchiveRequest> = {}) {
    const itsServer = { id: serverId, name: 'web', calls: true, ...change }
    const consistency = { prefer: [...wanted.consistency.prefer], require: wanted.consistency.require }
    return rig.archive({ consistency, server: itsServer, policy: 'all', ...given }, { id: volumeId })
  }

  async function report(): Promise<ServerReport> {
    return rig.temporal.client.workflow.getHandle(serverWorkflowId(serverId)).result() as Promise<ServerReport>
  }

  async function close(): Promise<void> {
    await agent.close()
    await rig.close()
  }

  return { rig, agent, serverId, other, begin, report, close }
}
