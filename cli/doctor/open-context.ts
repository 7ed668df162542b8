import { randomUUID } from 'node:crypto'
import { isGrpcServiceError } from '@temporalio/client'
import type { Config } from '../../config/config.js'
import { temporalConnection } from '../../config/temporal.js'
import { CodedError } from '../../errors/coded-error.js'
import { connectBroker } from '../../listener/connect.js'
import { closeQuietly } from '../../listener/own-channel.js'
import type { Log } from '../../log/log.js'
import { cinder } from '../../openstack/cinder.js'
import { loadCloud } from '../../openstack/clouds-yaml.js'
import { glance } from '../../openstack/glance.js'
import { keystone } from '../../openstack/keystone.js'
import { connectCloud } from '../../openstack/session.js'
import { pollersOf } from '../../worker/pollers-of.js'
import { planApply } from '../../worker/schedules.js'
import { controlQueue } from '../../workflows/messages.js'
import type { Cli } from '../context.js'
import { openTemporal } from '../open-temporal.js'
import type { CinderInHand, CloudInHand, DoctorContext, TemporalInHand } from './context.js'
import { shared } from './shared.js'

export type DoctorBase = Omit<DoctorContext, 'signal'>

/** A service that is well answers within a second or two; and a GET is asked three times. */
const cloudTimeoutSeconds = 5
const notFound = 5

/** What checks look through; opens nothing yet. `close` ends whatever was opened. */
export function openContext(
  cli: Cli,
  config: Config,
  given: { log: Log; now?: () => number; nodeVersion?: string },
): { context: DoctorBase; close: () => Promise<void> } {
  const closers: (() => void | Promise<void>)[] = []
  const { log, now = Date.now, nodeVersion = process.versions.node } = given

  async function openCloud(): Promise<CloudInHand> {
    const { env, cwd, home } = cli
    const options = await loadCloud({ env, cwd, home, ...(config.cloud !== null && { name: config.cloud }) })
    const timeoutSeconds = Math.min(options.timeoutSeconds ?? cloudTimeoutSeconds, cloudTimeoutSeconds)
    const session = connectCloud({ ...options, timeoutSeconds }, { log, installation: config.installation })
    closers.push(() => {
      session.close()
    })
    return { session, keystone: keystone(session), identity: await session.identity(), authUrl: options.authUrl }
  }

  async function openCinder(): Promise<CinderInHand> {
    const { session } = await cloud.need()
    const { url, microversions } = await session.offer('block-storage')
    const calls = cinder(session)
    return { cinder: calls, url, microversions, limits: await calls.getLimits() }
  }

  async function openGlance() {
    const calls = glance((await cloud.need()).session)
    // as a capture by Nova does; no image has this name
    await calls.ownImages(`ck-doctor-${randomUUID()}`)
    return calls
  }

  async function openBroker() {
    const connection = await connectBroker(config.listen, log, new AbortController().signal, 'cinderkeep doctor')
    closers.push(() => closeQuietly(connection.model))
    return connection
  }

  async function openNamespace(): Promise<TemporalInHand> {
    const { connectionOptions } = await readSettings(config, cli)
    const { client, close } = await openTemporal(cli, config)
    closers.push(close)
    const { namespace } = client.options
    return {
      client,
      address: connectionOptions.address,
      namespace,
      retentionDays: await retentionOf(client, namespace),
    }
  }

  const cloud = shared('Keystone does not let us in (see cloud)', 'CK-CLOUD-UNAVAILABLE', openCloud)
  const cinderShared = shared('Cinder cannot be asked (see cinder)', 'CK-CLOUD-UNAVAILABLE', openCinder)
  const glanceShared = shared('Glance cannot be asked (see glance)', 'CK-CLOUD-UNAVAILABLE', openGlance)
  const broker = shared('the broker cannot be reached (see broker)', 'CK-RABBIT-UNREACHABLE', openBroker)
  const temporal = shared('Temporal cannot be asked (see temporal)', 'CK-TEMPORAL-UNREACHABLE', openNamespace)
  const plan = shared('what is applied cannot be compared (see policies)', 'CK-TEMPORAL-UNREACHABLE', async () =>
    planApply((await temporal.need()).client, config),
  )
  let started: Promise<boolean> | undefined
  const context: DoctorBase = {
    ...{ config, now, log, nodeVersion, cloud, broker, temporal, plan },
    cinder: cinderShared,
    glance: glanceShared,
    started: () =>
      (started ??= (async () => {
        try {
          if ((await plan.need()).before !== null) return true
          return (await pollersOf((await temporal.need()).client, controlQueue, 'workflow')).length > 0
        } catch {
          // another check tells of it
          return false
        }
      })()),
  }
  return {
    context,
    close: async () => {
      await Promise.allSettled(closers.map(async (one) => one()))
    },
  }
}

/** @throws CodedError `CK-CONFIG` for a file that cannot be read */
async function readSettings(config: Config, { env }: Cli) {
  try {
    return await temporalConnection(config.temporal, env)
  } catch (cause) {
    throw new CodedError('CK-CONFIG', 'what `temporal` or TEMPORAL_* name cannot be read', {
      cure: "Mend the path or the file's rights.",
      cause,
    })
  }
}

/** @throws CodedError `CK-TEMPORAL-NAMESPACE`, `CK-TEMPORAL-REFUSED` */
async function retentionOf(
  client: Awaited<ReturnType<typeof openTemporal>>['client'],
  namespace: string,
): Promise<number | null> {
  try {
    const { config } = await client.workflowService.describeNamespace({ namespace })
    const seconds = config?.workflowExecutionRetentionTtl?.seconds
    return seconds === null || seconds === undefined ? null : Number(seconds) / 86_400
  } catch (cause) {
    if (isGrpcServiceError(cause) && (cause.code as number) === notFound) {
      throw new CodedError('CK-TEMPORAL-NAMESPACE', `Temporal has no namespace "${namespace}"`, {
        cure: `Check temporal.namespace, or create it: temporal operator namespace create --retention 90d -n ${namespace}`,
        cause,
      })
    }
    throw new CodedError('CK-TEMPORAL-REFUSED', `namespace "${namespace}" cannot be looked at`, {
      cure: 'Check the API key or the client certificate of `temporal`, and what Temporal lets it do.',
      cause,
    })
  }
}
