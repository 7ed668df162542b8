/** `cinderkeep.yaml` as a whole, composed of each room's own options. */
import { z } from 'zod'
import { listenOptions } from '../listener/options.js'
import { duration, policiesOptions } from '../policy/options.js'
import { quiesceOptions } from '../quiesce/options.js'
import { byteCount, sourcesOptions } from '../source/options.js'
import { targetsOptions } from '../targets/options.js'

const path = z.string().min(1)

const temporalOptions = z.strictObject({
  address: z
    .string()
    .regex(/^[^\s/]+:\d+$/, 'expected HOST:PORT')
    .optional()
    .describe("`HOST:PORT` of Temporal's frontend. Without it TEMPORAL_ADDRESS, then 127.0.0.1:7233."),
  namespace: z.string().min(1).optional().describe('Without it TEMPORAL_NAMESPACE, then `default`.'),
  apiKeyFile: path.optional().describe('A file that holds the API key alone. Without it TEMPORAL_API_KEY.'),
  tls: z
    .strictObject({
      caFile: path.optional().describe("PEM of the CA that signed the server's certificate; without it, the system's."),
      certFile: path.optional().describe('PEM of our client certificate, with `keyFile`.'),
      keyFile: path.optional().describe("PEM of the client certificate's key."),
      serverName: z.string().min(1).optional().describe("The name in the server's certificate, where it is not HOST."),
    })
    .refine((tls) => (tls.certFile === undefined) === (tls.keyFile === undefined), {
      error: 'certFile and keyFile go together',
    })
    .optional()
    .describe('Given (even empty: `{}`), the connection uses TLS. Without it TEMPORAL_TLS_*.'),
})

/** Temporal refuses a pause of nothing, and takes a heartbeat of nothing for none at all. */
const durationFrom = (least: string, seconds: number) =>
  duration.refine((given) => given >= seconds, { error: `expected at least ${least}` })

const paceOptions = z.strictObject({
  heartbeat: durationFrom('1s', 1)
    .prefault('60s')
    .describe('A process that gives no sign of life for this long is taken for dead, and its act is given to another.'),
  firstRetry: durationFrom('1s', 1)
    .prefault('15s')
    .describe('How long the first retry of an act that failed waits; then twice as long each.'),
  captureMaxAge: durationFrom('1m', 60)
    .prefault('7d')
    .describe('A capture is released after this time, whatever is unfinished: it holds space in the cloud.'),
  unclear: duration
    .prefault('2m')
    .describe(
      'How much later a request whose answer was lost may still be carried out (proxies give up after a minute): so long an archive that lost one waits before it looks for the last time for what it may have made.',
    ),
})

/** Where an option is not described by a room's `options.ts`, it is here. */
export const configOptions = z
  .strictObject({
    installation: z
      .uuid({ error: 'expected a UUID of yours; `cinderkeep config init` writes one' })
      .transform((id) => id.toLowerCase())
      .describe(
        'A UUID that marks everything we make. Two installations on one cloud never touch what carries the other one; ' +
          'so never change it, and never share it.',
      ),
    cloud: z
      .string()
      .min(1)
      .optional()
      .describe('An entry of clouds.yaml; without it OS_CLOUD, then the other OS_* variables.'),
    internalProject: z
      .string()
      .min(1)
      .optional()
      .describe(
        "The id of the cloud's internal project (`cinder_internal_tenant_project_id` of cinder.conf); its volumes are never protected.",
      ),
    temporal: temporalOptions.default({}).describe('The Temporal server.'),
    listen: listenOptions.prefault({}).describe("The broker of the cloud's notifications, and our own queue."),
    sources: sourcesOptions,
    targets: targetsOptions,
    policies: policiesOptions,
    reconcile: duration
      .refine((seconds) => seconds >= 60, { error: 'expected at least 1m' })
      .prefault('15m')
      .describe(
        'How often all volumes are compared with what is known of them, to find what notifications missed: `15m`, at least `1m`.',
      ),
    pace: paceOptions.prefault({}).describe('How patient archives are.'),
    drain: duration
      .prefault('10m')
      .describe(
        'After SIGTERM, what moves bytes may go on for this long before it is cut off, to be resumed elsewhere.',
      ),
    mover: z
      .strictObject({
        bandwidth: byteCount
          .optional()
          .describe(
            'How much one mover moves at most, to and from all targets together, in each second: `500MiB`. Without it, no limit. ' +
              '`targets.NAME.bandwidth` limits what goes to one target.',
          ),
      })
      .prefault({})
      .describe('The processes that move bytes.'),
    quiesce: quiesceOptions,
    log: z.enum(['debug', 'info', 'warn', 'error']).default('info').describe('The least that is logged.'),
  })
  .describe('cinderkeep.yaml')

export type ConfigOptions = z.output<typeof configOptions>
export type TemporalOptions = ConfigOptions['temporal']
export type MoverOptions = ConfigOptions['mover']
