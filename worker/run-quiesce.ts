import { hostname } from 'node:os'
import type { TemporalConnection } from '../config/temporal.js'
import { hypervisorName } from '../quiesce/hypervisor-name.js'
import { openAgent } from '../quiesce/open-agent.js'
import { quiesceQueue } from '../workflows/quiesce-messages.js'
import { whenAborted } from '../listener/when-aborted.js'
import { connectWorker } from './connect-temporal.js'
import type { RoleContext } from './run-role.js'
import { runWorker } from './run-worker.js'

/** A freeze that is under way ends by itself, or is given up: then its act needs a moment to say so. */
const drainSeconds = 20

/**
 * The agent of a compute host. It polls its own queue and asks nothing else of Temporal, so that its identity may be kept
 * to that; it knows no cloud, no source and no target. What an earlier agent left frozen is thawed before Temporal, or
 * libvirt's name, is asked for: neither need answer for that.
 */
export async function runQuiesce(context: RoleContext, temporal: TemporalConnection): Promise<void> {
  const { config, log, signal } = context
  const { uri, dir, limitSeconds } = config.quiesce
  const virsh = { uri, env: environmentOfVirsh(context) }
  const agent = await openAgent({ dir, limitSeconds, virsh, log })
  const hypervisor = config.quiesce.hypervisor ?? (await hypervisorName(virsh))
  const connection = await connectWorker(temporal)
  // at the signal itself: guests are not kept waiting until the worker has ended
  const ending = whenAborted(signal).then(async () => agent.end())
  ending.catch(() => undefined) // told below
  try {
    const taskQueue = quiesceQueue(hypervisor)
    log.info({ namespace: temporal.namespace, queue: taskQueue, host: hostname() }, 'quiesce starts')
    const activities = { ...agent.acts }
    await runWorker({ connection, namespace: temporal.namespace, taskQueue, activities, drainSeconds, log, signal })
  } finally {
    // also when the worker failed: nothing would serve the thaw any more
    await (signal.aborted ? ending : agent.end())
    await connection.close()
  }
  log.info({}, 'quiesce ended')
}

/** No more than it needs: Temporal's credentials are nothing to other programs. In English, since its words are read. */
function environmentOfVirsh({ env }: RoleContext): Record<string, string> {
  const passed = ['PATH', 'HOME', 'XDG_RUNTIME_DIR'].flatMap((name) => {
    const value = env[name]
    return value === undefined ? [] : [[name, value] as const]
  })
  return { ...Object.fromEntries(passed), LC_ALL: 'C' }
}
