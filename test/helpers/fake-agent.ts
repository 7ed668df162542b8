import { ApplicationFailure } from '@temporalio/common'
import { Worker } from '@temporalio/worker'
import { randomUUID } from 'node:crypto'
import type { FreezeServer } from '../../workflows/freeze-messages.js'
import {
  type FreezeRequest,
  quiesceQueue,
  type QuiesceActivities,
  type Thawed,
} from '../../workflows/quiesce-messages.js'
import type { WorkflowRig } from './workflow-rig.js'

/** An agent on a host of its own that remembers what it was told; each act can be replaced. */
export async function fakeAgent({ temporal }: WorkflowRig) {
  const hypervisor = `host-${randomUUID()}`
  const told: string[] = []
  const kept: Thawed = { kept: true, reason: null, heldMs: 1 }
  const acts: QuiesceActivities = {
    freezeServer: async () => ({ filesystems: 1 }),
    thawServer: async () => kept,
  }
  const worker = await Worker.create({
    ...{ connection: temporal.nativeConnection, namespace: temporal.namespace, taskQueue: quiesceQueue(hypervisor) },
    activities: {
      freezeServer: async (request: FreezeRequest) => {
        told.push(`freeze ${request.serverId}`)
        return acts.freezeServer(request)
      },
      thawServer: async (request: FreezeRequest) => {
        told.push(`thaw ${request.serverId}`)
        return acts.thawServer(request)
      },
    },
    shutdownForceTime: '2 seconds',
  })
  const running = worker.run()
  return {
    hypervisor,
    told,
    acts,
    server: (change: Partial<FreezeServer> = {}): FreezeServer => ({
      ...{ id: 'server-1', name: 'web', status: 'ACTIVE', hypervisor, hasAgent: true, volumeIds: [] },
      byNova: { isPossible: false, reason: 'CK-NOVA-QUIESCE-NOT-REQUIRED  a test' },
      ...change,
    }),
    async close(): Promise<void> {
      worker.shutdown()
      await running
    },
  }
}

export function refusal(code: string): ApplicationFailure {
  return ApplicationFailure.create({ type: code, message: `${code}  a test` })
}
