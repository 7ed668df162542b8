/**
 * A control worker as `cinderkeep run --role control` is one: the same workflows, acts, options and log. Its target costs
 * nothing; its cloud is the one that OS_* names, or without OS_* one in this process that costs nothing either.
 */
import { controlActivities } from '../../activities/control-activities.js'
import { createLog } from '../../log/log.js'
import { openCloud } from '../../openstack/open-cloud.js'
import { policiesOptions, toPolicies } from '../../policy/options.js'
import { policyHash } from '../../policy/policy-hash.js'
import { openSources } from '../../source/open-sources.js'
import { openTargets } from '../../targets/open-targets.js'
import { targetsOptions } from '../../targets/options.js'
import { rememberedHash } from '../../worker/applied-policies.js'
import { bundlePath } from '../../worker/bundle.js'
import { forwardLogs } from '../../worker/forward-logs.js'
import { pausedScopes } from '../../worker/paused-scopes.js'
import { runWorker } from '../../worker/run-worker.js'
import { controlQueue } from '../../workflows/messages.js'
import { connectBoth } from './connect.js'
import { costlessCinder } from './costless-cinder.js'
import { costlessTarget } from './costless-target.js'
import { serve, tell } from './serve.js'

const installation = '00000000-0000-4000-8000-00000000be7c'

serve(async () => {
  const log = createLog('info', { role: 'control' })
  forwardLogs(log)
  const { namespace, client, connection, native } = await connectBoth()
  const stopping = new AbortController()
  const policies = toPolicies(
    policiesOptions.parse({ all: { on: ['volume.create.end'], settle: '0s', copies: [{ target: 'free' }] } }),
  )
  const cloud = await cloudOf(log)
  const activities = controlActivities({
    ...{ installation, policies, policyHash: policyHash(policies), internalProjectId: null, log },
    pace: { heartbeatSeconds: 60, firstRetrySeconds: 15, captureMaxAgeSeconds: 3600 },
    sources: openSources([]),
    ...cloud,
    // no volume here is attached
    nova: undefined as never,
    glance: undefined as never,
    appliedPolicyHash: rememberedHash(client),
    limits: { targets: new Map(), sources: [] },
    throttles: { targets: new Map() },
    imagesOf: () => undefined,
    serverStatus: async () => null,
    serverVolumes: async () => [],
    agentServes: async () => false,
    freezeLimitSeconds: 10,
    pausedScopes: pausedScopes(client.workflow),
    workflows: client.workflow,
  })
  const run = runWorker({
    ...{ connection: native, namespace, taskQueue: controlQueue, drainSeconds: 1, log, signal: stopping.signal },
    activities: {
      ...activities,
      releaseCapture: async (request: Parameters<typeof activities.releaseCapture>[0]) => {
        await activities.releaseCapture(request)
        tell(request.volumeId, 'released')
      },
    },
    workflowBundle: { codePath: bundlePath },
  })
  return {
    async stop() {
      stopping.abort()
      await run
      await native.close()
      await connection.close()
    },
  }
})

/** What the acts ask of a cloud. */
async function cloudOf(log: ReturnType<typeof createLog>) {
  const names = { serverName: async () => null }
  if (process.env['OS_AUTH_URL'] === undefined) {
    const targets = new Map([['free', costlessTarget('free')]])
    return { ...names, cinder: costlessCinder(), targets, projectName: async () => 'bench' }
  }
  const place = { env: process.env, cwd: process.cwd(), home: process.cwd() }
  const { cinder, keystone } = await openCloud(place, { log, installation })
  const sources = openSources([])
  const real = openTargets(targetsOptions.parse({ free: { kind: 'cinder-backup', driver: 'ceph' } }), {
    ...{ cinder, sources, installation, log },
  }).get('free')
  // to ask whether there is room is done before the snapshot, and counts
  const preflight = real?.preflight?.bind(real)
  const targets = new Map([['free', costlessTarget('free', preflight)]])
  return { ...names, cinder, targets, projectName: (id: string) => keystone.projectName(id) }
}
