import type { ListenOptions } from '../listener/options.js'
import type { Policy } from '../policy/policy.js'
import type { SourcesOptions } from '../source/options.js'
import type { TargetsOptions } from '../targets/options.js'
import type { MoverOptions, TemporalOptions } from './schema.js'

/** `cinderkeep.yaml`, checked, with defaults and what the environment adds. */
export interface Config {
  /** The file it was read from, as named by whoever asked. */
  path: string
  /** A UUID in lower case. */
  installation: string
  /** An entry of clouds.yaml; null: OS_CLOUD, then OS_*. */
  cloud: string | null
  internalProjectId: string | null
  /** As the file has it; `temporalConnection` completes it. */
  temporal: TemporalOptions
  /** Completed from AMQP_URL; `url` is missing when neither has one. */
  listen: ListenOptions
  sources: SourcesOptions
  targets: TargetsOptions
  /** In file order. */
  policies: Policy[]
  /** How often `reconcile` runs. */
  reconcileSeconds: number
  pace: { heartbeatSeconds: number; firstRetrySeconds: number; captureMaxAgeSeconds: number; unclearSeconds: number }
  drainSeconds: number
  mover: MoverOptions
  /** `hypervisor` is null when libvirt is to be asked for it. */
  quiesce: { uri: string; hypervisor: string | null; dir: string; limitSeconds: number }
  log: 'debug' | 'info' | 'warn' | 'error'
}
