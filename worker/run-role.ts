import type { Client, Connection } from '@temporalio/client'
import { controlActivities } from '../activities/control-activities.js'
import { moveActivities, type MoveDeps } from '../activities/move-activities.js'
import { openVolumeImages } from '../activities/volume-images.js'
import type { Config } from '../config/config.js'
import type { Environment } from '../config/environment.js'
import type { TemporalConnection } from '../config/temporal.js'
import { temporalConnection } from '../config/temporal.js'
import { runListener } from '../listener/main.js'
import type { Log } from '../log/log.js'
import { policyHash } from '../policy/policy-hash.js'
import { openSources } from '../source/open-sources.js'
import { openTargets } from '../targets/open-targets.js'
import { controlQueue, moveQueue } from '../workflows/messages.js'
import { whenAborted } from '../listener/when-aborted.js'
import { agentServes } from './agent-serves.js'
import { rememberedHash } from './applied-policies.js'
import { bundlePath } from './bundle.js'
import { connectClient, connectWorker } from './connect-temporal.js'
import { forwardLogs } from './forward-logs.js'
import { keepApplied } from './keep-applied.js'
import { openConfiguredCloud } from './open-cloud.js'
import { permitLimits } from './permit-limits.js'
import { pausedScopes } from './paused-scopes.js'
import { registerSearchAttributes } from './register-search-attributes.js'
import { runQuiesce } from './run-quiesce.js'
import { runWorker } from './run-worker.js'
import { serverStatus, serverVolumes } from './servers-now.js'
import { throttlesOf } from './throttles.js'

/** The processes that exist. Later ones: `remover`, `restorer`, `web`. */
export const roles = ['listener', 'control', 'mover', 'quiesce'] as const
export type Role = (typeof roles)[number]

export interface RoleContext {
  config: Config
  env: Environment
  /** Which storage a mover is near; others ignore it. */
  zone: string
  log: Log
  /** Aborted: finish what is held, then return. */
  signal: AbortSignal
}

/**
 * Runs one role until its signal aborts. One role a process: hashing must delay no acknowledgement and no workflow task.
 * @throws CodedError when it cannot start: nothing was begun
 */
export async function runRole(role: Role, context: RoleContext): Promise<void> {
  const { config, env, log } = context
  forwardLogs(log)
  const temporal = await temporalConnection(config.temporal, env)
  if (role === 'quiesce') {
    await runQuiesce(context, temporal)
    return
  }
  const { connection, client } = await connectClient(temporal)
  try {
    await registerSearchAttributes(connection, temporal.namespace)
    log.info({ namespace: temporal.namespace }, `${role} starts`)
    if (role === 'listener') await listen(context, client)
    else await work(role, context, temporal, { client, connection })
    log.info({}, `${role} ended`)
  } finally {
    await connection.close()
  }
}

async function listen({ config, log, signal }: RoleContext, client: Client): Promise<void> {
  const events = new Set(config.policies.flatMap(({ on }) => on))
  const listener = await runListener({ options: config.listen, client, events, log })
  await whenAborted(signal)
  await listener.stop()
}

async function work(
  role: 'control' | 'mover',
  { config, env, zone, log, signal }: RoleContext,
  temporal: TemporalConnection,
  known: { client: Client; connection: Connection },
): Promise<void> {
  const cloud = await openConfiguredCloud(config, env, log)
  const { installation, policies, pace, internalProjectId, drainSeconds } = config
  const { client } = known
  const ended = new AbortController()
  const sources = openSources(config.sources)
  const targets = openTargets(config.targets, { cinder: cloud.cinder, sources, installation, log })
  const deps: MoveDeps = {
    ...{ installation, sources, targets, log },
    cinder: cloud.cinder,
    imagesOf: openVolumeImages(config.sources),
    serverStatus: serverStatus(cloud.nova, log),
    throttles: throttlesOf(config),
    temporalAnswers: async (deadlineMs) =>
      known.connection.withDeadline(Date.now() + deadlineMs, () => known.connection.workflowService.getSystemInfo({})),
  }
  const connection = await connectWorker(temporal)
  const common = { connection, namespace: temporal.namespace, drainSeconds, log, signal }
  try {
    if (role === 'mover') {
      await runWorker({ ...common, taskQueue: moveQueue(zone), activities: moveActivities(deps) })
    } else {
      const activities = controlActivities({
        ...deps,
        ...{ policies, pace, internalProjectId },
        policyHash: policyHash(policies),
        projectName: (id) => cloud.keystone.projectName(id),
        serverName: (id) => cloud.nova.serverName(id),
        serverVolumes: serverVolumes(cloud.nova),
        agentServes: agentServes(client),
        freezeLimitSeconds: config.quiesce.limitSeconds,
        nova: cloud.nova,
        glance: cloud.glance,
        appliedPolicyHash: rememberedHash(client),
        limits: permitLimits(config),
        pausedScopes: pausedScopes(client.workflow),
        workflows: client.workflow,
      })
      const applying = keepApplied({ ...known, config, log }, AbortSignal.any([signal, ended.signal]))
      await runWorker({ ...common, taskQueue: controlQueue, activities, workflowBundle: { codePath: bundlePath } })
      ended.abort()
      await applying
    }
  } finally {
    ended.abort()
    await connection.close()
    cloud.close()
  }
}
